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

/** Everything that a run works with. */
export interface Session {
  project: Project;
  state: StackState;
  display: Display;
}

/**
 * Gives `work` an engine that listens, with a deployment and a provider process, and ends both whatever happens.
 * @throws Interrupted after a Ctrl-C; a second one ends the processes at once
 */
export async function withEngine<T>(
  { project, state, display }: Session,
  dryRun: boolean,
  work: (deployment: Deployment, provider: DynamicProvider, address: string) => Promise<T>,
): Promise<T> {
  let deployment: Deployment;
  const monitor = await Monitor.start(
    project,
    () => deployment,
    (severity, message) => {
      // After a failed step the program only complains that the engine does not answer.
      if (!deployment.failed || severity !== "error") display.diagnostic(severity, message);
    },
  );
  const provider = new DynamicProvider(project, monitor.address, (line) => display.relay(line));
  deployment = new Deployment(project, state, provider, display, dryRun);
  let presses = 0;
  const onSignal = () => {
    presses += 1;
    if (presses > 1) process.exit(130);
    display.line("\ninterrupted: finishing what is under way; press again to end at once (the next run goes on)");
    deployment.reportFailure("the run was interrupted");
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    const result = await work(deployment, provider, monitor.address);
    await deployment.settle();
    if (presses > 0) throw new Interrupted();
    return result;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    display.stop();
    await provider.stop();
    monitor.stop();
  }
}

/**
 * Runs the program once, and carries out (or, in a preview, only tells) what it asks for.
 * @returns the deployment; it has `failed` where a step, a check or the program itself did
 */
export async function runProgram(session: Session, dryRun: boolean): Promise<Deployment> {
  return withEngine(session, dryRun, async (deployment, _, address) => {
    const program = startProgram(session.project, address, dryRun);
    relay(program.stdout, (line) => session.display.relay(line));
    relay(program.stderr, (line) => {
      if (!deployment.failed) session.display.relay(line);
    });
    const ended = once(program, "exit").then(([code]) => code as number | null);
    const code = await Promise.race([ended, deployment.failure.then(() => undefined)]);
    await deployment.settle();
    if (deployment.failed) end(program);
    else if (code !== 0) {
      deployment.failed = true;
      // 32: the program has said itself what is wrong.
      if (code !== 32) session.display.diagnostic("error", `the program ended with exit code ${code}`);
    } else await deployment.finish();
    return deployment;
  });
}

function end(program: ChildProcess): void {
  if (program.exitCode === null) program.kill("SIGKILL");
}
