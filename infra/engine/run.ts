import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Deployment } from "./deployment.ts";
import type { Display } from "./display.ts";
import { Monitor } from "./monitor.ts";
import { relay, startProgram } from "./processes.ts";
import type { Project } from "./project.ts";
import { DynamicProvider } from "./provider.ts";
import type { StackState } from "./state.ts";

/** Ctrl-C was pressed: what was under way is finished, nothing more is begun. */
export class Interrupted extends Error {}

/** An engine that listens, with one process for dynamic providers, in which one deployment after the other is made. */
export interface Engine {
  provider: DynamicProvider;
  /** Begins a deployment; the wire protocol's calls go to it from now on. */
  begin(display: Display, dryRun: boolean): Deployment;
  /**
   * Runs the program once, and carries out (or, in a preview, only tells) what it asks for.
   * @returns the deployment; it has `failed` where a step, a check or the program itself did
   */
  runProgram(display: Display, dryRun: boolean): Promise<Deployment>;
}

/**
 * Gives `work` an engine, and ends its processes whatever happens.
 * @throws Interrupted after a Ctrl-C; a second one ends the processes at once
 */
export async function withEngine<T>(
  project: Project,
  state: StackState,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  let current: { deployment: Deployment; display: Display } | undefined;
  const monitor = await Monitor.start(
    project,
    () => current!.deployment,
    (severity, message) => {
      // After a failed step the program only complains that the engine does not answer.
      if (!current?.deployment.failed || severity !== "error") current?.display.diagnostic(severity, message);
    },
  );
  const provider = new DynamicProvider(project, monitor.address, (line) => current?.display.relay(line));
  let presses = 0;
  const onSignal = () => {
    presses += 1;
    if (presses > 1) process.exit(130);
    current?.display.line("\ninterrupted: finishing what is under way; press again to end at once");
    current?.deployment.reportFailure("the run was interrupted; the next one goes on");
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);

  function begin(display: Display, dryRun: boolean): Deployment {
    const deployment = new Deployment(project, state, provider, display, dryRun);
    current = { deployment, display };
    return deployment;
  }

  async function runProgram(display: Display, dryRun: boolean): Promise<Deployment> {
    const deployment = begin(display, dryRun);
    const program = startProgram(project, monitor.address, dryRun);
    relay(program.stdout, (line) => display.relay(line));
    relay(program.stderr, (line) => {
      if (!deployment.failed) display.relay(line);
    });
    const ended = once(program, "exit").then(([code]) => code as number | null);
    const code = await Promise.race([ended, deployment.failure.then(() => undefined)]);
    await deployment.settle();
    if (deployment.failed) end(program);
    else if (code !== 0) {
      deployment.failed = true;
      // 32: the program has said itself what is wrong.
      if (code !== 32) display.diagnostic("error", `the program ended with exit code ${code}`);
    } else await deployment.finish();
    return deployment;
  }

  try {
    const result = await work({ provider, begin, runProgram });
    await current?.deployment.settle();
    if (presses > 0) throw new Interrupted();
    return result;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    current?.display.stop();
    await provider.stop();
    monitor.stop();
  }
}

function end(program: ChildProcess): void {
  if (program.exitCode === null) program.kill("SIGKILL");
}
