import { say, style } from "../../toolkit/terminal.ts";
import { isMandatory, type Violation } from "../policy/rules.ts";
import { type Change, describeChanges } from "./diff.ts";
import { nameOf, typeOf } from "./goal.ts";
import { masked } from "./wire.ts";

export type Severity = "debug" | "info" | "warning" | "error";
export type Operation = "same" | "create" | "update" | "replace" | "delete" | "discard";

type Color = "green" | "yellow" | "red" | "magenta" | "dim";

/** How each operation is written: its sign, and its words before, while and after it is done. */
// biome-ignore format: one operation, one line
const words: Record<Operation, { sign: string; color: Color; plan: string; doing: string; done: string }> = {
  same:    { sign: " ",  color: "dim",     plan: "unchanged",  doing: "checking",  done: "unchanged" },
  create:  { sign: "+",  color: "green",   plan: "to create",  doing: "creating",  done: "created" },
  update:  { sign: "~",  color: "yellow",  plan: "to update",  doing: "updating",  done: "updated" },
  replace: { sign: "+-", color: "magenta", plan: "to replace", doing: "replacing", done: "replaced" },
  delete:  { sign: "-",  color: "red",     plan: "to delete",  doing: "deleting",  done: "deleted" },
  discard: { sign: "-",  color: "red",     plan: "to forget",  doing: "forgetting", done: "forgotten, and left as it is" },
};

/** One step of a run, for `--json`. */
export interface StepRecord {
  op: Operation;
  urn: string;
  diff?: Change[];
  /** It was begun and not brought to its end. */
  failed?: true;
}

export interface DisplayOptions {
  /** Nothing is done: words of a plan. */
  preview: boolean;
  /** Shows which properties change. */
  diff: boolean;
  /** Keeps everything back but what `release` asks for: the preview that `up` makes for itself. */
  quiet?: boolean;
}

const [redrawInterval, lineInterval] = [250, 10_000];

/** What a run shows: a line for each resource, what providers say, and a summary. All of it is talk, for stderr. */
export class Display {
  readonly steps: StepRecord[] = [];
  readonly diagnostics: { severity: Severity; message: string }[] = [];
  #options: DisplayOptions;
  #held: string[] = [];
  #started = Date.now();
  #running = new Map<string, { text: string; since: number; told: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DisplayOptions) {
    this.#options = options;
  }

  /** Tells a step. Returns what to call at its end. */
  begin(op: Operation, urn: string, changes: Change[] = []): () => void {
    this.steps.push({ op, urn, ...(changes.length > 0 && { diff: changes }) });
    const { sign, color, plan, doing, done } = words[op];
    const what = `${lastName(typeOf(urn))} ${nameOf(urn)}`;
    const line = (text: string) => style(color, ` ${sign.padEnd(2)} ${what} ${text}`);
    if (this.#options.preview || op === "same") {
      this.line(line(plan));
      if (this.#options.diff) for (const text of describeChanges(changes)) this.line(`      ${text}`);
      return () => {};
    }
    this.line(line(doing));
    if (this.#options.diff) for (const text of describeChanges(changes)) this.line(`      ${text}`);
    const since = Date.now();
    this.#running.set(urn, { text: `${what} ${doing}`, since, told: since });
    this.#timer ??= setInterval(() => this.#tick(), process.stderr.isTTY ? redrawInterval : 1_000).unref();
    return () => {
      this.#running.delete(urn);
      this.line(line(`${done} (${((Date.now() - since) / 1000).toFixed(1)} s)`));
    };
  }

  /** A step failed: it does not count as done. */
  abandon(urn: string): void {
    if (!this.#running.delete(urn)) return;
    const step = this.steps.findLast((one) => one.urn === urn);
    if (step) step.failed = true;
  }

  /** A line that a provider or the program printed. */
  relay(text: string): void {
    this.line(`    ${text}`);
  }

  diagnostic(severity: Severity, message: string): void {
    if (severity === "debug" || message.trim() === "") return;
    this.diagnostics.push({ severity, message });
    const color = severity === "error" ? "red" : severity === "warning" ? "yellow" : "dim";
    const prefix = severity === "info" ? "" : `${severity}: `;
    this.line(style(color, `${prefix}${message.trimEnd()}`));
  }

  /** The rules of infra/policy that the stack breaks; nothing where it breaks none. */
  policies(violations: readonly Violation[]): void {
    if (violations.length > 0) this.line("\nPolicies:");
    for (const violation of violations) {
      const { rule, urn, message } = violation;
      const [color, severity] = isMandatory(violation) ? (["red", "error"] as const) : (["yellow", "warning"] as const);
      this.line(style(color, `    ${severity}: ${lastName(typeOf(urn))} ${nameOf(urn)}: ${message} (${rule})`));
    }
  }

  /** Shows what was kept back, and what comes from now on. */
  release(): void {
    this.#options = { ...this.#options, quiet: false };
    for (const text of this.#held.splice(0)) this.line(text);
  }

  line(text: string): void {
    if (this.#options.quiet) {
      this.#held.push(text);
      return;
    }
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    say(text);
  }

  counts(): Partial<Record<Operation, number>> {
    const counts: Partial<Record<Operation, number>> = {};
    for (const { op, failed } of this.steps) if (!failed) counts[op] = (counts[op] ?? 0) + 1;
    return counts;
  }

  /** Whether anything differs from what the program asks for. */
  get changes(): boolean {
    return this.steps.some(({ op }) => op !== "same");
  }

  /** Ends the display: outputs, then how many resources had what done to them, and how long it took. */
  summary(outputs: Record<string, unknown> = {}): void {
    this.stop();
    if (Object.keys(outputs).length > 0) {
      this.line("\nOutputs:");
      for (const [name, value] of Object.entries(outputs)) for (const text of render(name, value)) this.line(text);
    }
    this.line("\nResources:");
    const counts = Object.entries(this.counts()) as [Operation, number][];
    for (const [op, count] of counts.filter(([op]) => op !== "same")) {
      const { sign, color, plan, done } = words[op];
      this.line(style(color, `    ${sign} ${count} ${this.#options.preview ? plan : done}`));
    }
    const same = counts.find(([op]) => op === "same")?.[1];
    if (same) this.line(`    ${same} unchanged${this.changes ? "" : ": nothing to do"}`);
    const failed = this.steps.filter((step) => step.failed).length;
    if (failed > 0) this.line(style("red", `    x ${failed} failed`));
    if (counts.length + failed === 0) this.line("    none");
    this.line(`\nDuration: ${Math.max(1, Math.round((Date.now() - this.#started) / 1000))} s`);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#running.clear();
  }

  /** What is under way: redrawn in place on a terminal, a line now and then elsewhere. */
  #tick(): void {
    const now = Date.now();
    const seconds = (since: number) => `${Math.round((now - since) / 1000)} s`;
    if (this.#options.quiet) return;
    if (process.stderr.isTTY) {
      const texts = [...this.#running.values()].map(({ text, since }) => `${text} ${seconds(since)}`);
      process.stderr.write(`\r\x1b[K${style("dim", texts.join(", ").slice(0, process.stderr.columns - 1))}`);
      return;
    }
    for (const step of this.#running.values()) {
      if (now - step.told < lineInterval) continue;
      step.told = now;
      this.line(`    still ${step.text}, ${seconds(step.since)}`);
    }
  }
}

/** A type without its package and module: `Instance` of `aws:rds/instance:Instance`. */
export const lastName = (type: string): string => type.split(":").at(-1)!;

/** An output for people: a list takes a line for each element. */
function render(name: string, value: unknown): string[] {
  const shown = masked(value);
  if (!Array.isArray(shown)) return [`    ${name}: ${typeof shown === "string" ? shown : JSON.stringify(shown)}`];
  return [
    `    ${name}:`,
    ...shown.map((element) => `      - ${typeof element === "string" ? element : JSON.stringify(element)}`),
  ];
}
