import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { compileCache } from "./compileCache.ts";
import type { Project } from "./project.ts";

const { resolve } = createRequire(import.meta.url);
const first = ["tether.js", "lightSdk.js"].flatMap((file) => ["--import", new URL(file, import.meta.url).href]);

/** A process of Pulumi's SDK, in its own group: a Ctrl-C reaches the engine alone, which lets steps finish. */
function start(script: string, args: string[], environment: Record<string, string>): ChildProcess {
  return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...first, script, ...args], {
    detached: true,
    stdio: "pipe",
    // The SDK is large: what is compiled once is kept for the next process.
    env: { NODE_COMPILE_CACHE: compileCache, ...process.env, ...environment },
  });
}

/** The stack's configuration, as both processes find it in their environment. */
function environmentOf(project: Project): Record<string, string> {
  return {
    PULUMI_CONFIG: JSON.stringify(project.config),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(project.secretKeys),
    PULUMI_NODEJS_PROJECT: project.name,
    PULUMI_NODEJS_STACK: project.stack,
    PULUMI_PROJECT: project.name,
    PULUMI_NODEJS_TYPESCRIPT: "false",
  };
}

/**
 * Starts the project's program, unchanged, with Pulumi's own launcher.
 * @param address of the resource monitor and the engine, which are one server here
 */
export function startProgram(project: Project, address: string, dryRun: boolean): ChildProcess {
  const { name, stack } = project;
  const options = { project: name, stack, monitor: address, engine: address, parallel: "16", pwd: process.cwd() };
  const args = Object.entries(options).map(([option, value]) => `--${option}=${value}`);
  const script = resolve("@pulumi/pulumi/cmd/run");
  return start(script, [...args, ...(dryRun ? ["--dry-run"] : []), "."], environmentOf(project));
}

/**
 * Starts Pulumi's own process for dynamic providers.
 * @returns the process and its port, which it prints as its first line
 */
export async function startDynamicProvider(
  project: Project,
  address: string,
  say: (line: string) => void,
): Promise<{ child: ChildProcess; port: number }> {
  const child = start(resolve("@pulumi/pulumi/cmd/dynamic-provider"), [address], environmentOf(project));
  const port = await new Promise<number>((found, failed) => {
    const lines = createInterface({ input: child.stdout! });
    let first = true;
    lines.on("line", (line) => {
      if (first) found(Number(line));
      else say(line);
      first = false;
    });
    child.once("exit", (code) => failed(new Error(`the process for dynamic providers ended with exit code ${code}`)));
  });
  return { child, port };
}

/** Calls `say` with each line that a process writes on one of its outputs. */
export function relay(stream: ChildProcess["stdout"], say: (line: string) => void): void {
  createInterface({ input: stream! }).on("line", say);
}
