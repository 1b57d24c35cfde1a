import type { Resource } from "../policy/rule.ts";
import { findViolations, type Violation } from "../policy/rules.ts";
import type { Deployment } from "./deployment.ts";
import type { Change } from "./diff.ts";
import type { Display, Operation, Severity } from "./display.ts";
import type { Goal } from "./goal.ts";
import type { Project } from "./project.ts";
import type { StackState } from "./state.ts";
import { type Properties, revealed } from "./wire.ts";

/** The resource that knows the schema, by the last part of its type. */
const migrationsType = "pulumi-nodejs:dynamic:Migrations";

/** One resource that a preview would touch. */
export interface ReportStep {
  op: Operation;
  urn: string;
  changes: Change[];
}

/** A preview, whichever engine made it: what its comment on a pull request is written from. */
export interface Report {
  stack: string;
  /** Which engine, and what its word is worth. */
  engine: string;
  failed: boolean;
  steps: ReportStep[];
  /** How many resources stay as they are. */
  unchanged: number;
  /** Every resource that the program asks for. */
  resources: Resource[];
  /** None of a preview that failed: it did not see the whole stack. */
  violations: Violation[];
  diagnostics: { severity: Severity; message: string }[];
  /** The stack's AWS region, for prices. */
  region?: string;
  /** The schema's resource, and what the state knows as applied; absent where the program failed before it. */
  schema?: { inputs: Properties; applied: string[] };
}

export const asResource = ({ urn, type, name, inputs, propertyDependencies }: Goal): Resource => ({
  urn,
  type,
  name,
  props: inputs,
  propertyDependencies,
});

/** The report of a preview by the stand-in engine. */
export function standInReport(project: Project, state: StackState, deployment: Deployment, display: Display): Report {
  const resources = [...deployment.goals.values()].map(asResource);
  const region = project.config["aws:region"];
  return {
    stack: project.stack,
    engine:
      "The project's stand-in engine, without a cloud: it compares with no state of AWS, so that cloud resources show as new.",
    failed: deployment.failed,
    steps: display.steps
      .filter(({ op }) => op !== "same")
      .map(({ op, urn, diff = [] }) => ({ op, urn, changes: diff })),
    unchanged: display.steps.filter(({ op }) => op === "same").length,
    resources,
    violations: deployment.failed ? [] : findViolations(resources),
    diagnostics: display.diagnostics,
    ...(region && { region }),
    ...schemaOf(resources, (urn) => state.resources.find((old) => old.urn === urn)?.outputs),
  };
}

/** The schema's part of a report. */
export function schemaOf(
  resources: readonly Resource[],
  outputsOf: (urn: string) => Properties | undefined,
): Pick<Report, "schema"> {
  const migrations = resources.find(({ type }) => type === migrationsType);
  if (!migrations) return {};
  const applied = revealed(outputsOf(migrations.urn)?.applied);
  return { schema: { inputs: migrations.props, applied: Array.isArray(applied) ? applied.map(String) : [] } };
}
