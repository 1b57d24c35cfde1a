import { spawn } from "node:child_process";
import { type Connection, connectionString } from "../../toolkit/connection.ts";

/** How a run in a process of its own ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

/**
 * The beginning of a program that kills itself (SIGKILL) at its n-th query: before an even one is sent, right after an odd
 * one was.
 */
export const killsItselfAt = (n: number): string => `
    import pg from "pg";
    const query = pg.Client.prototype.query;
    let sent = 0;
    const die = () => process.kill(process.pid, "SIGKILL");
    pg.Client.prototype.query = function (...args) {
      sent++;
      if (sent >= ${n} && sent % 2 === 0) die();
      const result = query.apply(this, args);
      if (sent >= ${n}) setImmediate(die);
      return result;
    };`;

/**
 * Calls a function of the toolkit in a process of its own that kills itself at its n-th query.
 * @param module below toolkit/, without its ending
 */
export function runKilledAt(
  connection: Connection,
  [module, action]: readonly [module: string, action: string],
  options: object,
  n: number,
): Promise<Ended> {
  const code = `
    ${killsItselfAt(n)}
    import { parseConnectionString } from "./toolkit/connection.ts";
    import { ${action} } from "./toolkit/${module}.ts";
    import { report } from "./toolkit/cli.ts";
    try {
      await ${action}(parseConnectionString(process.env.DATABASE_URL), ${JSON.stringify(options)});
    } catch (error) {
      process.exitCode = report(error);
    }`;
  const { NODE_OPTIONS, ...env } = process.env;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", code], {
    env: { ...env, DATABASE_URL: connectionString(connection) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((done) => {
    child.on("close", (code, signal) => done({ code, signal, stderr }));
  });
}
