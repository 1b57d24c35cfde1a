import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { UserError } from "../toolkit/errors.ts";
import { freePort } from "../toolkit/server/scratchFolder.ts";
import { say } from "../toolkit/terminal.ts";
import type { BenchOptions, Measured } from "./index.ts";

const rounds = 3;

/** `up` of a stack that is as it should be, against `up` of a program that declares nothing. */
export async function bench(_options: BenchOptions): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), "bench-idle-"));
  const [real, empty] = [join(folder, "real"), join(folder, "empty")];
  try {
    await makeReal(real);
    await makeEmpty(empty);
    for (const project of [real, empty]) await up(project);
    const times = { idle: [] as number[], empty: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      times.idle.push(await up(real));
      times.empty.push(await up(empty));
      say(`  idle ${times.idle.at(-1)!.toFixed(2)} s, empty ${times.empty.at(-1)!.toFixed(2)} s`);
    }
    const [idle, none] = [Math.min(...times.idle), Math.min(...times.empty)];
    return {
      result: { times, ratio: idle / none },
      lines: [
        `up with nothing to do ${idle.toFixed(2)} s, an empty program ${none.toFixed(2)} s: ${(idle / none).toFixed(2)} times`,
      ],
    };
  } finally {
    await run(real, ["destroy", "--yes"]).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeReal(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const entry of ["infra", "toolkit", "migrations", "node_modules"])
    await symlink(resolve(entry), join(folder, entry));
  for (const file of ["Pulumi.yaml", "package.json"]) await cp(file, join(folder, file));
  const config = { port: await freePort(), memoryPercent: 5, finalBackup: false, sampleData: false };
  const lines = Object.entries(config).map(([key, value]) => `  database:${key}: ${value}`);
  await writeFile(join(folder, "Pulumi.local.yaml"), `config:\n${lines.join("\n")}\n`);
}

/** The same engine and loader with a program of no lines. */
async function makeEmpty(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await symlink(resolve("node_modules"), join(folder, "node_modules"));
  await symlink(resolve("infra"), join(folder, "infra"));
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "empty", type: "module", main: "main.js" }));
  await writeFile(join(folder, "main.js"), "");
  await writeFile(
    join(folder, "Pulumi.yaml"),
    "name: empty\nmain: main.js\nruntime:\n  name: nodejs\n  options:\n    typescript: false\n",
  );
  await writeFile(join(folder, "Pulumi.local.yaml"), "");
}

async function up(project: string): Promise<number> {
  const started = performance.now();
  await run(project, ["up"]);
  return (performance.now() - started) / 1000;
}

function run(project: string, args: string[]): Promise<void> {
  // The stand-in on purpose, also where a `pulumi` is on PATH: both sides by the same engine.
  const child = spawn(process.execPath, [join(project, "infra/engine/cli.ts"), ...args, "--stand-in"], {
    cwd: project,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((done, failed) => {
    child.on("close", (code) =>
      code === 0 ? done() : failed(new UserError(`${args.join(" ")} ended with ${code}`, { why: stderr.slice(-2000) })),
    );
  });
}
