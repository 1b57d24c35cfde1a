import type { Resource } from "../policy/rule.ts";
import { findViolations } from "../policy/rules.ts";
import { type Change, changesBetween } from "./diff.ts";
import type { Operation, Severity } from "./display.ts";
import { nameOf, typeOf } from "./goal.ts";
import { type Report, type ReportStep, schemaOf } from "./report.ts";
import type { ResourceState } from "./state.ts";

type State = Pick<ResourceState, "urn" | "inputs" | "outputs" | "propertyDependencies">;

/**
 * What `pulumi preview --json` prints, as far as a comment needs it; secrets in it are masked.
 * @see https://github.com/pulumi/pulumi/blob/master/pkg/display/json.go
 */
export interface Digest {
  config?: Record<string, string>;
  steps?: {
    op: string;
    urn: string;
    oldState?: State;
    newState?: State;
    detailedDiff?: Record<string, { kind: string }> | null;
    replaceReasons?: string[] | null;
  }[];
  diagnostics?: { severity: string; message: string }[];
}

type DigestStep = NonNullable<Digest["steps"]>[number];

/** Pulumi's operations as ours: a replacement is three of its steps and one of ours. */
const operations: Record<string, Operation> = {
  same: "same",
  read: "same",
  refresh: "same",
  create: "create",
  import: "create",
  update: "update",
  replace: "replace",
  "create-replacement": "replace",
  "delete-replaced": "replace",
  delete: "delete",
  discard: "discard",
  "discard-replaced": "replace",
  "read-replacement": "replace",
  "import-replacement": "replace",
};

/** The report of a preview by Pulumi's own engine. */
export function reportOf(
  stack: string,
  { steps = [], config = {}, diagnostics = [] }: Digest,
  failed: boolean,
): Report {
  const region = config["aws:region"];
  const states = [...new Map(steps.flatMap(({ newState }) => (newState ? [[newState.urn, newState]] : []))).values()];
  // A provider is how Pulumi reaches a cloud, not something that people asked for.
  const resources = states.filter(({ urn }) => !isProvider(urn)).map(asResource);
  const merged = Map.groupBy(
    steps.filter(({ urn }) => !isProvider(urn)),
    ({ urn }) => urn,
  );
  const all = [...merged.values()].map(asStep);
  return {
    stack,
    engine: "Pulumi's own engine: compared with the state of the stack.",
    failed,
    steps: all.filter(({ op }) => op !== "same"),
    unchanged: all.filter(({ op }) => op === "same").length,
    resources,
    violations: failed ? [] : findViolations(resources),
    diagnostics: diagnostics.map(({ severity, message }) => ({ severity: severityOf(severity), message })),
    ...(region && { region }),
    ...schemaOf(resources, (urn) => steps.find((step) => step.urn === urn && step.oldState)?.oldState?.outputs),
  };
}

const isProvider = (urn: string) => typeOf(urn).startsWith("pulumi:providers:");

const asResource = ({ urn, inputs = {}, propertyDependencies = {} }: State): Resource => ({
  urn,
  type: typeOf(urn),
  name: nameOf(urn),
  props: inputs,
  propertyDependencies: Object.fromEntries(
    Object.entries(propertyDependencies).map(([key, urns]) => [key, urns ?? []]),
  ),
});

/** The steps of one resource as one. */
function asStep(steps: DigestStep[]): ReportStep {
  const ops = steps.map(({ op }) => operations[op] ?? "update");
  const op = ops.find((one) => one === "replace") ?? ops.find((one) => one !== "same") ?? "same";
  const old = steps.find(({ oldState }) => oldState)?.oldState?.inputs ?? {};
  const wanted = steps.find(({ newState }) => newState)?.newState?.inputs ?? {};
  const changes = op === "delete" || op === "discard" ? [] : changesBetween(old, wanted);
  return { op, urn: steps[0]!.urn, changes: [...changes, ...unseen(steps, changes)] };
}

/** What differs from what is really there, or forces a replacement, without a difference in what is asked for. */
function unseen(steps: DigestStep[], changes: readonly Change[]): Change[] {
  const seen = new Set(changes.map(({ path }) => path.replace(/[[.].*$/, "")));
  const named = steps.flatMap(({ detailedDiff, replaceReasons }) => [
    ...Object.keys(detailedDiff ?? {}),
    ...(replaceReasons ?? []),
  ]);
  return [...new Set(named)]
    .filter((path) => !seen.has(path.replace(/[[.].*$/, "")))
    .map((path) => ({ path, kind: "update", before: "[as it is]", after: "[as asked for]" }));
}

const severities: Severity[] = ["debug", "info", "warning", "error"];

const severityOf = (word: string): Severity =>
  severities.find((severity) => severity === word) ?? (word.startsWith("info") ? "info" : "error");
