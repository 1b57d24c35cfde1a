import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { UserError } from "../../toolkit/errors.ts";
import { say } from "../../toolkit/terminal.ts";
import { isMandatory } from "../policy/rules.ts";
import type { Options } from "./commands.ts";
import { type Digest, reportOf } from "./digest.ts";
import { writeMarkdown } from "./markdown.ts";

/** The `pulumi` on PATH, if there is one. npm puts node_modules/.bin first, where no `pulumi` is. */
export function findPulumi(): string | undefined {
  const names = process.platform === "win32" ? ["pulumi.exe"] : ["pulumi"];
  const places = (process.env.PATH ?? "").split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return places.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/** The project's policy pack, where the project that is run has one. */
const policyPack = () => (existsSync("infra/policy/PulumiPolicy.yaml") ? ["--policy-pack", "infra/policy"] : []);

/** How each command of ours is said to `pulumi`. */
const translations: Record<string, (options: Options) => string[]> = {
  preview: (options) => [
    "preview",
    ...shared(options),
    ...policyPack(),
    ...flag("--expect-no-changes", options.expectNoChanges),
  ],
  up: (options) => ["up", "--yes", ...shared(options), ...policyPack()],
  refresh: (options) => ["refresh", "--yes", ...shared(options)],
  destroy: (options) => ["destroy", ...flag("--yes", options.yes), ...shared(options)],
  output: (options) => [
    ...["stack", "output", ...(options.name === undefined ? [] : [options.name]), "--stack", options.stack],
    ...flag("--json", options.json),
    ...flag("--show-secrets", options.showSecrets),
  ],
};

const flag = (name: string, on: boolean) => (on ? [name] : []);

const shared = ({ stack, diff, json, config }: Options) => [
  ...["--stack", stack],
  ...flag("--diff", diff),
  ...flag("--json", json),
  ...config.flatMap(([key, value]) => ["--config", `${key}=${value}`]),
];

/**
 * Runs a command with Pulumi's own engine, which talks to the user itself.
 * @returns its exit code
 */
export async function runPulumi(pulumi: string, command: string, options: Options): Promise<number> {
  if (command !== "output") say(`Pulumi's own engine: ${pulumi}`);
  if (command === "preview" && options.markdown) return previewAsMarkdown(pulumi, options);
  if (command === "up") selectOrMake(pulumi, options.stack);
  const child = spawn(pulumi, translations[command]!(options), { stdio: "inherit" });
  // A Ctrl-C reaches both: pulumi decides what it means.
  process.on("SIGINT", () => {});
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(signal === "SIGINT" ? 130 : (code ?? 1)));
  });
}

/**
 * A preview of Pulumi's own as the comment of a pull request. The rules are run here, over what the preview printed:
 * its JSON does not tell what a policy pack found.
 */
async function previewAsMarkdown(pulumi: string, options: Options): Promise<number> {
  const args = ["preview", "--non-interactive", "--show-sames", ...shared({ ...options, json: true, diff: false })];
  const child = spawn(pulumi, args, { stdio: ["ignore", "pipe", "inherit"] });
  process.on("SIGINT", () => {});
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve(signal === "SIGINT" ? 130 : (status ?? 1)));
  });
  if (code === 130) return code;
  const report = reportOf(options.stack, parseDigest(printed), code !== 0);
  await writeMarkdown(report, options.base);
  if (code !== 0 || report.violations.some(isMandatory)) return 1;
  return options.expectNoChanges && report.steps.length > 0 ? 1 : 0;
}

/** What `pulumi preview --json` printed; nothing where it ended before it had something to print. */
function parseDigest(text: string): Digest {
  try {
    return JSON.parse(text) as Digest;
  } catch {
    return { diagnostics: [{ severity: "error", message: "pulumi ended without a preview: see its own words" }] };
  }
}

/** A first `up` makes the stack, so that the one command is enough there too. */
function selectOrMake(pulumi: string, stack: string): void {
  const { status, stderr } = spawnSync(pulumi, ["stack", "select", "--create", "--stack", stack], { encoding: "utf8" });
  if (status === 0) return;
  throw new UserError(`pulumi cannot select the stack ${stack}`, {
    why: stderr.trim(),
    fix: "Log in first, for instance to a folder of yours (`pulumi login file://…`), or add --stand-in.",
  });
}

/** The outputs of a stack, secrets included, from Pulumi's own engine. */
export function pulumiOutputs(pulumi: string, stack: string): Record<string, unknown> {
  const args = ["stack", "output", "--json", "--show-secrets", "--stack", stack];
  const { status, stdout, stderr } = spawnSync(pulumi, args, { encoding: "utf8" });
  if (status !== 0) throw new UserError(`pulumi has no outputs of stack ${stack}`, { why: stderr.trim() });
  return JSON.parse(stdout) as Record<string, unknown>;
}
