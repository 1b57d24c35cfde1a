import { type ChildProcess, spawn } from "node:child_process";
import { type Connection, connectionString } from "../../../toolkit/connection.ts";
import type { LoadOptions } from "../../../toolkit/load/load.ts";
import { killsItselfAt } from "../../support/killedAt.ts";

/** What a command left. */
export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

interface Started {
  child: ChildProcess;
  finished: Promise<Finished>;
}

/** Runs `load` to its end, as a user does, in a process of its own. */
export function runLoad(connection: Connection, args: string[], nodeArgs: string[] = []): Promise<Finished> {
  return start([...nodeArgs, "toolkit/cli.ts", "load", ...args], connection).finished;
}

/**
 * Starts a load whose batches are small enough to be interrupted between two of them.
 * @param options.asNobody gives up root's rights once the program is loaded: for root every folder is writable
 * @param options.killAt kills itself (SIGKILL) at its n-th query: before an even one is sent, right after an odd one was
 */
export function startLoad(
  connection: Connection,
  path: string,
  options: LoadOptions & { asNobody?: boolean; killAt?: number },
): Started {
  const { asNobody, killAt, ...loadOptions } = options;
  const code = `
    ${killAt === undefined ? "" : killsItselfAt(killAt)}
    import { parseConnectionString } from "./toolkit/connection.ts";
    import { report } from "./toolkit/cli.ts";
    import { load } from "./toolkit/load/load.ts";
    const [url, path] = [process.env.DATABASE_URL, ${JSON.stringify(path)}];
    if (${Boolean(asNobody)} && process.getuid() === 0) process.setuid(65534);
    try {
      console.log(JSON.stringify(await load(parseConnectionString(url), path, ${JSON.stringify(loadOptions)})));
    } catch (error) {
      process.exitCode = report(error);
    }`;
  return start(["--input-type=module-typescript", "-e", code], connection);
}

function start(args: string[], connection: Connection): Started {
  const { NO_COLOR, FORCE_COLOR, NODE_OPTIONS, ...env } = process.env;
  const child = spawn(process.execPath, args, {
    env: { ...env, DATABASE_URL: connectionString(connection) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  const finished = new Promise<Finished>((done) => {
    child.on("close", (code, signal) => done({ code, signal, ...output }));
  });
  return { child, finished };
}
