import { UserError } from "../../toolkit/errors.ts";
import { say } from "../../toolkit/terminal.ts";
import { findViolations, isMandatory, type Violation } from "../policy/rules.ts";
import type { Deployment } from "./deployment.ts";
import { changesBetween } from "./diff.ts";
import { Display } from "./display.ts";
import { isDynamic, nameOf, providerType, typeOf } from "./goal.ts";
import { lockStack } from "./lock.ts";
import { writeMarkdown } from "./markdown.ts";
import { readOutputs } from "./outputs.ts";
import { type Project, readProject, saveConfig } from "./project.ts";
import { asResource, standInReport } from "./report.ts";
import { withEngine } from "./run.ts";
import { type ResourceState, StackState } from "./state.ts";
import { canonical, markSecrets, masked, providerKey, revealed } from "./wire.ts";

/** The options of all commands, as the command line gives them. */
export interface Options {
  stack: string;
  config: [string, string][];
  diff: boolean;
  json: boolean;
  /** `preview`: the comment of a pull request, on stdout. */
  markdown: boolean;
  /** With `markdown`: the git commit whose migrations count as applied where neither a database nor a state tells. */
  base?: string;
  expectNoChanges: boolean;
  yes: boolean;
  showSecrets: boolean;
  /** `output`: the one that is asked for. */
  name?: string;
}

/** Shows what `up` would do, and does nothing. */
export async function preview(options: Options): Promise<number> {
  saveConfig(options.stack, options.config);
  const project = readProject(options.stack);
  const state = new StackState(options.stack);
  const display = new Display({ preview: true, diff: options.diff });
  say(`Previewing update (${options.stack})\n`);
  const deployment = await withEngine(project, state, (engine) => engine.runProgram(display, true));
  const { failed, outputs } = deployment;
  const report = standInReport(project, state, deployment, display);
  display.policies(report.violations);
  display.summary(failed ? {} : outputs);
  if (options.json) printJson(display, report.violations);
  if (options.markdown) await writeMarkdown(report, options.base);
  if (failed || report.violations.some(isMandatory)) return 1;
  if (!options.expectNoChanges || !display.changes) return 0;
  display.diagnostic("error", "no changes were expected, and there are some");
  return 1;
}

/** Makes the stack what the program says. Previews first, and touches nothing where that fails. */
export async function up(options: Options): Promise<number> {
  saveConfig(options.stack, options.config);
  const project = readProject(options.stack);
  return locked(options.stack, async () => {
    const state = new StackState(options.stack);
    for (const { type, resource } of state.interrupted)
      say(`the last run was ended while ${type} ${nameOf(resource.urn)}: going on from what it left`);
    return withEngine(project, state, async (engine) => {
      const rehearsal = new Display({ preview: true, diff: options.diff, quiet: true });
      const rehearsed = await engine.runProgram(rehearsal, true);
      if (isRefused(project, rehearsed, rehearsal)) return 1;
      say(`Updating (${options.stack})\n`);
      // What a second pass would find and say is known where the first one leaves nothing to do.
      const isIdle = rehearsed.unchanged && state.interrupted.length === 0;
      const display = isIdle ? rehearsal : new Display({ preview: false, diff: options.diff });
      if (isIdle) rehearsal.release();
      const { failed, outputs } = isIdle ? rehearsed : await engine.runProgram(display, false);
      display.summary(failed ? {} : outputs);
      if (options.json) printJson(display);
      return failed ? 1 : 0;
    });
  });
}

/** Whether the preview that every `up` makes for itself found a reason not to begin; it is shown then. */
function isRefused(project: Project, { failed, cloud, goals }: Deployment, rehearsal: Display): boolean {
  const broken = findViolations([...goals.values()].map(asResource)).filter(isMandatory);
  const said = new Display({ preview: true, diff: false });
  if (failed) for (const { severity, message } of rehearsal.diagnostics) said.diagnostic(severity, message);
  if (!failed && cloud.length > 0)
    said.diagnostic(
      "error",
      [
        `stack ${project.stack} holds ${cloud.length} resources of plugins, which this engine can only preview`,
        ...cloud.slice(0, 5).map((urn) => `  ${typeOf(urn)} ${nameOf(urn)}`),
        ...(cloud.length > 5 ? ["  …"] : []),
        "  fix: Install Pulumi (https://www.pulumi.com/docs/iac/download-install/) and run the same command again.",
        ...(cloud.every((urn) => /^(pulumi:providers:)?postgresql\b/.test(typeOf(urn)))
          ? ["  Or go on without the roles: `up -c database:roles=none`."]
          : []),
      ].join("\n"),
    );
  if (!failed) said.policies(broken);
  const refused = failed || cloud.length > 0 || broken.length > 0;
  if (refused) say("\nNothing was touched.");
  return refused;
}

/** Takes into the state what is really there. */
export async function refresh(options: Options): Promise<number> {
  saveConfig(options.stack, options.config);
  const project = readProject(options.stack);
  return locked(options.stack, async () => {
    const state = new StackState(options.stack);
    const display = new Display({ preview: false, diff: options.diff });
    say(`Refreshing (${options.stack})\n`);
    const failed = await withEngine(project, state, async ({ begin, provider }) => {
      const deployment = begin(display, false);
      for (const resource of state.resources) {
        if (deployment.failed || !isDynamic(resource.type)) continue;
        try {
          const { id, outputs } = await provider.read(
            resource.urn,
            resource.id ?? "",
            revealed(resource.outputs ?? {}),
            revealed(resource.inputs ?? {}),
          );
          const found = id ? { ...resource, id, outputs: markSecrets(outputs, resource.outputs ?? {}) } : undefined;
          replaceIn(state, resource, found, display);
        } catch (error) {
          deployment.reportFailure(`${nameOf(resource.urn)}: ${(error as Error).message}`);
        }
      }
      return deployment.failed;
    });
    display.summary();
    if (options.json) printJson(display);
    return failed ? 1 : 0;
  });
}

function replaceIn(state: StackState, old: ResourceState, found: ResourceState | undefined, display: Display): void {
  if (!found) display.begin("delete", old.urn)();
  else if (canonical(old.outputs ?? {}) === canonical(found.outputs ?? {})) display.begin("same", old.urn);
  else display.begin("update", old.urn, changesBetween(old.outputs ?? {}, found.outputs ?? {}))();
  state.save(state.resources.flatMap((resource) => (resource === old ? (found ?? []) : resource)));
}

/** Deletes every resource of the stack, in reverse order. The database itself keeps a final backup unless told not to. */
export async function destroy(options: Options): Promise<number> {
  if (!options.yes)
    throw new UserError(`destroy removes everything of stack ${options.stack}, the database included`, {
      why: "It asks for --yes, so that nobody does it by accident.",
      fix: `Run \`npm run destroy -- --yes${options.stack === "local" ? "" : ` --stack ${options.stack}`}\`. A database leaves a final backup, unless its stack says otherwise.`,
      exitCode: 2,
    });
  saveConfig(options.stack, options.config);
  const project = readProject(options.stack);
  return locked(options.stack, async () => {
    const state = new StackState(options.stack);
    const display = new Display({ preview: false, diff: options.diff });
    const foreign = state.resources.find(({ type, custom }) => custom && !isDynamic(type) && type !== providerType);
    if (foreign)
      throw new UserError(
        `${nameOf(foreign.urn)} (${typeOf(foreign.urn)}) is a cloud resource: only Pulumi's own engine can delete it`,
      );
    say(`Destroying (${options.stack})\n`);
    const failed = await withEngine(project, state, async ({ begin }) => {
      const deployment = begin(display, false);
      await deployment.remove(state.resources.filter(({ type }) => type !== providerType));
      return deployment.failed;
    });
    display.summary();
    if (options.json) printJson(display);
    return failed ? 1 : 0;
  });
}

/** Prints the stack's outputs, or one of them, on stdout. */
export async function output(options: Options): Promise<number> {
  const outputs = readOutputs(options.stack);
  if (options.name !== undefined && !(options.name in outputs))
    throw new UserError(`stack ${options.stack} has no output ${options.name}`, {
      fix:
        Object.keys(outputs).length > 0 ? `Use one of ${Object.keys(outputs).join(", ")}.` : "Run `npm run up` first.",
    });
  const shown = (options.showSecrets ? revealed(outputs) : masked(outputs)) as Record<string, unknown>;
  const chosen = options.name === undefined ? shown : shown[options.name];
  const plain = options.name !== undefined && typeof chosen === "string" && !options.json;
  process.stdout.write(`${plain ? chosen : JSON.stringify(chosen, null, 2)}\n`);
  return 0;
}

async function locked(stack: string, work: () => Promise<number>): Promise<number> {
  const unlock = lockStack(stack);
  try {
    return await work();
  } finally {
    unlock();
  }
}

/** The run as data: a stable form, close to that of `pulumi preview --json`. */
function printJson(display: Display, policyViolations: readonly Violation[] = []): void {
  const steps = display.steps.map((step) => ({
    ...step,
    ...(step.diff && { diff: step.diff.filter(({ path }) => path !== providerKey) }),
  }));
  const document = {
    engine: "stand-in",
    steps,
    diagnostics: display.diagnostics,
    ...(policyViolations.length > 0 && { policyViolations }),
    changeSummary: display.counts(),
  };
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}
