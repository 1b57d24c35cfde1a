import { median } from "../statistics.ts";
import { nodesOf, type PlanNode } from "./measure.ts";

/** A plan that was measured: what the planner said of it, and the milliseconds that it took. */
export interface Example {
  /** Of the statement's text, so that a statement is held out with all its plans. */
  statement: string;
  features: number[];
  ms: number;
}

/** Predicts the milliseconds of a plan from the planner's figures. */
export interface Model {
  predict(features: readonly number[]): number;
}

/** Node types whose share of the cost the model looks at on its own: the planner's units do not fit each alike. */
const kinds = [
  /Seq Scan/,
  /^Index Scan/,
  /^Index Only Scan/,
  /Bitmap/,
  /Sort/,
  /Hash|Merge Join|Nested Loop/,
  /Aggregate|Unique|Group/,
  /ModifyTable/,
];

/** What the model looks at: logarithms, for times differ by factors. */
export function featuresOf(plan: PlanNode): number[] {
  const nodes = nodesOf(plan);
  const own = (node: PlanNode) =>
    Math.max(node["Total Cost"] - (node.Plans ?? []).reduce((sum, child) => sum + child["Total Cost"], 0), 0);
  return [
    Math.log1p(plan["Total Cost"]),
    Math.log1p(plan["Plan Rows"]),
    Math.log1p(Math.max(...nodes.map((node) => node["Plan Rows"]))),
    Math.log1p(Math.max(...nodes.map((node) => node["Plan Rows"] * node["Plan Width"]))),
    Math.log1p(nodes.length),
    ...kinds.map((kind) =>
      Math.log1p(nodes.filter((node) => kind.test(node["Node Type"])).reduce((sum, node) => sum + own(node), 0)),
    ),
  ];
}

// How much the weights are held near nothing, in examples: a handful of examples must not fit thirteen weights exactly.
const ridge = 2;

/**
 * Fits log(ms) by a linear function of the features, with ridge regularisation.
 * @see https://en.wikipedia.org/wiki/Ridge_regression
 */
export function train(examples: readonly Example[]): Model {
  if (examples.length === 0) return { predict: () => 1 };
  const width = examples[0]!.features.length;
  const column = (at: number) => examples.map(({ features }) => features[at]!);
  const means = Array.from({ length: width }, (_, at) => mean(column(at)));
  const spreads = means.map((middle, at) => Math.sqrt(mean(column(at).map((value) => (value - middle) ** 2))) || 1);
  const standard = (features: readonly number[]) => features.map((value, at) => (value - means[at]!) / spreads[at]!);
  const targets = examples.map(({ ms }) => Math.log(Math.max(ms, 1e-3)));
  const base = mean(targets);
  const rows = examples.map(({ features }) => standard(features));
  const matrix = Array.from({ length: width }, (_, i) =>
    Array.from({ length: width }, (_, j) => sum(rows.map((row) => row[i]! * row[j]!)) + (i === j ? ridge : 0)),
  );
  const right = Array.from({ length: width }, (_, i) => sum(rows.map((row, at) => row[i]! * (targets[at]! - base))));
  const weights = solve(matrix, right);
  // Beyond what was seen, a line in logarithms soon predicts centuries: the times seen bound it, with room for a factor.
  const [least, most] = [Math.min(...targets) - Math.LN10, Math.max(...targets) + Math.LN10];
  return {
    predict(features) {
      const value = base + sum(standard(features).map((each, at) => each * weights[at]!));
      return Math.exp(Math.min(Math.max(value, least), most));
    },
  };
}

/**
 * The error on statements that the model has not seen, by cross-validation: each fold of statements is predicted by a
 * model of the others.
 * @returns the median factor between predicted and measured time, 1 for none; undefined for fewer than three statements
 */
export function heldOutError(examples: readonly Example[], folds = 5): number | undefined {
  const statements = [...new Set(examples.map(({ statement }) => statement))];
  if (statements.length < 3) return undefined;
  const foldOf = new Map(statements.map((statement, at) => [statement, at % folds]));
  const errors = Array.from({ length: folds }, (_, fold) => fold).flatMap((fold) => {
    const model = train(examples.filter(({ statement }) => foldOf.get(statement) !== fold));
    return examples
      .filter(({ statement }) => foldOf.get(statement) === fold)
      .map(({ features, ms }) => Math.abs(Math.log(model.predict(features) / Math.max(ms, 1e-3))));
  });
  return Math.exp(median(errors));
}

/** Gauss's elimination; the ridge keeps the matrix away from singular. */
function solve(matrix: number[][], right: number[]): number[] {
  const rows = matrix.map((row, at) => [...row, right[at]!]);
  for (let at = 0; at < rows.length; at++) {
    const best = rows
      .slice(at)
      .reduce((top, row, i) => (Math.abs(row[at]!) > Math.abs(rows[top]![at]!) ? at + i : top), at);
    [rows[at], rows[best]] = [rows[best]!, rows[at]!];
    for (let below = at + 1; below < rows.length; below++) {
      const factor = rows[below]![at]! / rows[at]![at]!;
      for (let j = at; j <= rows.length; j++) rows[below]![j]! -= factor * rows[at]![j]!;
    }
  }
  const result = new Array<number>(rows.length).fill(0);
  for (let at = rows.length - 1; at >= 0; at--) {
    const known = sum(result.map((value, j) => (j > at ? value * rows[at]![j]! : 0)));
    result[at] = (rows[at]!.at(-1)! - known) / rows[at]![at]!;
  }
  return result;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
