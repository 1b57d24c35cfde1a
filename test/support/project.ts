import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "../../toolkit/server/scratchFolder.ts";

/** What a command left. */
export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A copy of this project in a folder of its own, driven from outside as a user does. */
export interface Project {
  folder: string;
  port: number;
  /** Runs a command of the engine to its end. */
  run(...args: string[]): Promise<Finished>;
  /** Starts a command of the engine in a process group of its own, to be killed half-way. */
  start(...args: string[]): {
    child: ChildProcess;
    finished: Promise<Finished>;
    /** Waits until the command has said a text on stderr. */
    said(text: string): Promise<void>;
  };
  /** Destroys the stack, whose configuration asks for no final backup, and removes the folder. */
  remove(): Promise<void>;
}

/**
 * Makes a project whose code is this one's and whose stack `local` is its own.
 * @param options.copy also copies the code, so that a test may change it
 */
export async function makeProject(
  options: { copy?: boolean; config?: Record<string, unknown> } = {},
): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), "project-"));
  const port = await freePort();
  for (const entry of ["infra", "toolkit", "migrations"]) {
    if (options.copy) await cp(entry, join(folder, entry), { recursive: true });
    else await symlink(resolve(entry), join(folder, entry));
  }
  await symlink(resolve("node_modules"), join(folder, "node_modules"));
  for (const file of ["Pulumi.yaml", "Pulumi.prod.yaml", "package.json"]) await cp(file, join(folder, file));
  const config = { sampleData: true, memoryPercent: 5, finalBackup: false, ...options.config, port };
  const lines = Object.entries(config).map(([key, value]) => `  database:${key}: ${JSON.stringify(value)}`);
  await writeFile(join(folder, "Pulumi.local.yaml"), `config:\n${lines.join("\n")}\n`);

  function start(...args: string[]) {
    // The stand-in on purpose, also where a `pulumi` is on PATH: this is its test.
    const command = [join(folder, "infra/engine/cli.ts"), ...args, "--stand-in"];
    const child = spawn(process.execPath, command, {
      cwd: folder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      // Jest gives tests an environment of their own, which a child would not inherit.
      env: process.env,
    });
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output.stderr += text;
    });
    const finished = new Promise<Finished>((done) => {
      child.on("close", (code, signal) => done({ code, signal, ...output }));
    });
    const said = (text: string) =>
      new Promise<void>((found, failed) => {
        const look = () => output.stderr.includes(text) && found();
        child.stderr.on("data", look);
        child.on("close", () => failed(new Error(`it never said "${text}":\n${output.stderr}`)));
        look();
      });
    return { child, finished, said };
  }

  return {
    folder,
    port,
    start,
    run: (...args) => start(...args).finished,
    async remove() {
      await start("destroy", "--yes").finished;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
