import pg from "pg";
import type { Table } from "./catalog.ts";
import { callText, type Node, relationName, walk } from "./syntax.ts";

/** How one statement uses one table: what an index on it could serve. Columns by name, or expressions in parentheses. */
export interface Access {
  table: Table;
  /** Compared for equality with something that is no column of the statement's tables. */
  equal: Set<string>;
  /** Compared by <, >, between. */
  range: Set<string>;
  /** Compared with a column of another table. */
  join: Set<string>;
  order: { column: string; descending: boolean }[];
  group: string[];
  /** Every column that the statement names of it; undefined for all of them. */
  named: Set<string> | undefined;
  /** Conditions without parameters, such as `is_active`: what a partial index may be limited to. */
  predicates: Set<string>;
}

/** What a statement says of its tables and of its parameters. */
export interface Usage {
  accesses: Access[];
  /** The column that a parameter is compared with; and whether by = any (…). */
  parameters: Map<number, { table: Table; column: string; list: boolean }>;
}

type Scope = Map<string, Access>;

const ranges = new Set(["<", ">", "<=", ">="]);
const orderings = new Set(["min", "max"]);

/**
 * Finds how a statement uses its tables.
 * @param tree of `text`
 * @param tableOf a table by its name as the statement writes it
 */
export function usageOf(tree: Node, text: string, tableOf: (name: string) => Table | undefined): Usage {
  const usage: Usage = { accesses: [], parameters: new Map() };
  walk(tree, enter);
  return usage;

  function enter(kind: string, node: Node): boolean {
    if (kind !== "SelectStmt" && kind !== "UpdateStmt" && kind !== "DeleteStmt" && kind !== "larg" && kind !== "rarg")
      return false;
    if (node.op && node.op !== "SETOP_NONE") return false;
    // The two sides of a join bear the names of the two sides of UNION, but hold a node of a kind.
    if (!node.targetList && !node.whereClause && !node.fromClause && !node.relation) return false;
    read(node);
    return false;
  }

  function read(query: Node): void {
    const scope: Scope = new Map();
    const conditions: Node[] = [query.whereClause].filter(Boolean);
    const add = (range: Node) => {
      const table = tableOf(relationName(range));
      if (!table) return;
      const access: Access = {
        ...{ table, equal: new Set(), range: new Set(), join: new Set(), order: [], group: [] },
        ...{ named: new Set(), predicates: new Set() },
      };
      scope.set(range.alias?.aliasname ?? range.relname, access);
      if (table.kind !== "v") usage.accesses.push(access);
    };
    const from = (item: Node): void => {
      if (item.RangeVar) add(item.RangeVar);
      const join = item.JoinExpr;
      if (!join) return;
      from(join.larg);
      from(join.rarg);
      if (join.quals) conditions.push(join.quals);
      for (const name of join.usingClause ?? [])
        for (const access of scope.values()) if (has(access.table, name.String.sval)) access.join.add(name.String.sval);
    };
    if (query.relation) add(query.relation);
    for (const item of [...(query.fromClause ?? []), ...(query.usingClause ?? [])]) from(item);
    for (const each of conditions) condition(each, scope);
    sorted(query, scope);
    walk(query, (kind, node) => {
      if (kind === "ColumnRef") {
        const star = node.fields.some((field: Node) => field.A_Star);
        const found = column(node, scope);
        if (found) found.access.named?.add(found.name);
        if (star) {
          const alias = node.fields.length > 1 ? node.fields[0].String.sval : undefined;
          for (const [name, access] of scope) if (!alias || alias === name) access.named = undefined;
        }
      }
      return false;
    });
  }

  function condition(node: Node, scope: Scope): void {
    if (node.BoolExpr?.boolop === "AND_EXPR") for (const each of node.BoolExpr.args) condition(each, scope);
    else if (node.BoolExpr?.boolop === "NOT_EXPR") {
      const found = column(node.BoolExpr.args[0].ColumnRef, scope);
      if (found) found.access.predicates.add(`not ${pg.escapeIdentifier(found.name)}`);
    } else if (node.ColumnRef) {
      const found = column(node.ColumnRef, scope);
      if (found) found.access.predicates.add(pg.escapeIdentifier(found.name));
    } else if (node.NullTest) {
      const found = column(node.NullTest.arg.ColumnRef, scope);
      const not = node.NullTest.nulltesttype === "IS_NOT_NULL" ? "not " : "";
      if (found) found.access.predicates.add(`${pg.escapeIdentifier(found.name)} is ${not}null`);
    } else if (node.A_Expr) comparison(node.A_Expr, scope);
  }

  function comparison(node: Node, scope: Scope): void {
    const operator = node.name?.[0]?.String?.sval;
    const [left, right] = [side(node.lexpr, scope), side(node.rexpr, scope)];
    const isEqual = operator === "=" || node.kind === "AEXPR_IN";
    for (const [mine, other, value] of [
      [left, right, node.rexpr],
      [right, left, node.lexpr],
    ] as const) {
      if (!mine) continue;
      walk({ value }, (kind, { number }) => {
        if (kind === "ParamRef" && mine.name)
          usage.parameters.set(number, {
            ...{ table: mine.access.table, column: mine.name, list: node.kind === "AEXPR_OP_ANY" },
          });
        return false;
      });
      if (isEqual && other && other.access !== mine.access) mine.access.join.add(mine.key);
      else if (isEqual) {
        mine.access.equal.add(mine.key);
        const constant = value?.A_Const;
        const literal = constant?.sval ? pg.escapeLiteral(constant.sval.sval ?? "") : constant?.ival?.ival;
        if (constant && literal !== undefined && mine.name)
          mine.access.predicates.add(`${pg.escapeIdentifier(mine.name)} = ${literal}`);
      } else if (ranges.has(operator) || /^AEXPR_BETWEEN/.test(node.kind)) mine.access.range.add(mine.key);
    }
  }

  /** A column, or a function of one that an index may hold. */
  function side(node: Node | undefined, scope: Scope) {
    const found = column(node?.ColumnRef, scope);
    if (found) return { ...found, key: found.name };
    const call = node?.FuncCall;
    // Others, such as `at time zone`, are written in ways of their own.
    if (call?.funcformat !== "COERCE_EXPLICIT_CALL") return undefined;
    let inner: ReturnType<typeof column>;
    let parameter = false;
    walk(call, (kind, each) => {
      if (kind === "ColumnRef") inner = column(each, scope) ?? inner;
      if (kind === "ParamRef" || kind === "SubLink") parameter = true;
      return false;
    });
    const written = inner && !parameter ? callText(text, call.location ?? 0) : undefined;
    if (!inner || !written) return undefined;
    return { access: inner.access, name: undefined, key: `(${withoutAliases(written, scope)})` };
  }

  function sorted(query: Node, scope: Scope): void {
    for (const { SortBy } of query.sortClause ?? []) {
      const found = side(SortBy?.node, scope);
      if (found) found.access.order.push({ column: found.key, descending: SortBy.sortby_dir === "SORTBY_DESC" });
    }
    const distinct = query.distinctClause ? (query.targetList ?? []).map((each: Node) => each.ResTarget?.val) : [];
    for (const node of [...(query.groupClause ?? []), ...distinct]) {
      const found = side(node, scope);
      if (found) found.access.group.push(found.key);
    }
    for (const { ResTarget } of query.targetList ?? []) {
      const call = ResTarget?.val?.FuncCall;
      if (!call || !orderings.has(call.funcname.at(-1).String.sval)) continue;
      const found = side(call.args?.[0], scope);
      if (found && !query.groupClause) found.access.order.push({ column: found.key, descending: false });
    }
  }
}

/** An index knows no alias. What stands in quotes is left as it is. */
function withoutAliases(call: string, scope: Scope): string {
  return call
    .split(/('[^']*'|"[^"]*")/)
    .map((part, at) =>
      at % 2 === 1
        ? part
        : part.replace(/\b([a-zA-Z_]\w*)\./g, (whole, name) => (scope.has(name.toLowerCase()) ? "" : whole)),
    )
    .join("");
}

const has = (table: Table, column: string) => table.columns.some(({ name }) => name === column);

function column(node: Node | undefined, scope: Scope): { access: Access; name: string } | undefined {
  const names = node?.fields?.map((field: Node) => field.String?.sval) as (string | undefined)[] | undefined;
  const name = names?.at(-1);
  if (!names || !name) return undefined;
  const alias = names.at(-2);
  const access = alias !== undefined ? scope.get(alias) : [...scope.values()].find((each) => has(each.table, name));
  return access && has(access.table, name) ? { access, name } : undefined;
}
