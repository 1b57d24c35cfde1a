import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface StoredResource {
  urn: string;
  type: string;
  id?: string;
  outputs?: Record<string, unknown>;
  initErrors?: string[];
  protect?: boolean;
}

/** The demo program in a folder of its own, driven as a user does. */
export interface Demo {
  folder: string;
  run(...args: string[]): Promise<Finished>;
  start(...args: string[]): { child: ChildProcess; finished: Promise<Finished>; said: (text: string) => Promise<void> };
  stateText(): Promise<string>;
  /** The resources of the state by name. */
  resources(): Promise<Map<string, StoredResource>>;
  remove(): Promise<void>;
}

/** @param environment variables for the engine; undefined removes one */
export async function makeDemo(environment: Record<string, string | undefined> = {}): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), "engine-"));
  await cp("test/infra/engine/demo", folder, { recursive: true });
  await symlink(resolve("node_modules"), join(folder, "node_modules"));
  await symlink(resolve("toolkit"), join(folder, "toolkit"));
  await mkdir(join(folder, "infra"));
  await symlink(resolve("infra/engine"), join(folder, "infra/engine"));
  return demoIn(folder, environment);
}

/** Another demo that starts from what one has come to, its state included. */
export async function copyDemo(demo: Demo): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), "engine-"));
  await cp(demo.folder, folder, { recursive: true });
  return demoIn(folder, {});
}

function demoIn(folder: string, environment: Record<string, string | undefined>): Demo {
  function start(...args: string[]) {
    const env = { ...process.env, ...environment };
    const child = spawn(process.execPath, ["infra/engine/cli.ts", ...args], { cwd: folder, env, detached: true });
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output.stderr += text;
    });
    const finished = new Promise<Finished>((done) => child.on("close", (code) => done({ code, ...output })));
    const said = (text: string) =>
      new Promise<void>((found, failed) => {
        const look = () => output.stderr.includes(text) && found();
        child.stderr.on("data", look);
        child.on("close", () => failed(new Error(`it never said ${text}:\n${output.stderr}`)));
        look();
      });
    return { child, finished, said };
  }

  const stateText = () => readFile(join(folder, ".local/local/state.json"), "utf8");
  return {
    folder,
    start,
    run: (...args) => start(...args).finished,
    stateText,
    async resources() {
      const { deployment } = JSON.parse(await stateText()) as { deployment: { resources: StoredResource[] } };
      return new Map(deployment.resources.map((resource) => [resource.urn.split("::").at(-1)!, resource]));
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
