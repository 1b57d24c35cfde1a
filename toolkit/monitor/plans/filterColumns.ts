import { type Node, parseStatement } from "../../advise/syntax.ts";

/** The columns that a condition compares with values: what an index could find. */
export interface FilterColumns {
  equal: string[];
  range: string[];
  /** Those whose own value is converted first, which no index on the column serves. */
  converted: string[];
  /** Of the others, those that are compared as text: only where they are text is that no conversion. */
  asText: string[];
}

const ranges = new Set(["<", "<=", ">", ">="]);
const textTypes = new Set(["text", "varchar", "bpchar"]);

/**
 * Reads the columns out of a condition, as EXPLAIN prints it.
 * @returns undefined where it is more than SQL (a subplan), or compares no column with a value in each of its rows
 */
export function filterColumns(condition: string): FilterColumns | undefined {
  const tree = parseStatement(`select from x where ${condition}`);
  if (!tree) return undefined;
  const found: FilterColumns = { equal: [], range: [], converted: [], asText: [] };
  collect(tree.SelectStmt.whereClause, found);
  return Object.values(found).some((columns) => columns.length > 0) ? found : undefined;
}

function collect(condition: Node, found: FilterColumns): void {
  const { BoolExpr: both, A_Expr: comparison, NullTest: isNull } = condition;
  if (both?.boolop === "AND_EXPR") for (const each of both.args) collect(each, found);
  if (isNull?.nulltesttype === "IS_NULL") add(found.equal, columnOf(isNull.arg)?.name);
  if (!comparison) return;
  const operator = comparison.name?.at(-1)?.String?.sval;
  const [left, right] = [columnOf(comparison.lexpr), columnOf(comparison.rexpr)];
  // Column against column is no value.
  if ((left && right) || !(left ?? right)) return;
  const { name, converted, asText } = (left ?? right)!;
  if (asText && !converted) add(found.asText, name);
  if (converted) add(found.converted, name);
  else if (operator === "=") add(found.equal, name);
  else if (ranges.has(operator)) add(found.range, name);
}

function columnOf(node: Node | undefined): { name: string; converted: boolean; asText: boolean } | undefined {
  if (node?.ColumnRef) return { name: node.ColumnRef.fields.at(-1)?.String?.sval, converted: false, asText: false };
  const inner = node?.TypeCast && columnOf(node.TypeCast.arg);
  const type = node?.TypeCast?.typeName?.names?.at(-1)?.String?.sval;
  return inner && { name: inner.name, converted: inner.converted || !textTypes.has(type), asText: true };
}

function add(columns: string[], name: string | undefined): void {
  if (name && !columns.includes(name)) columns.push(name);
}
