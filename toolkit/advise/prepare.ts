import { createHash } from "node:crypto";
import type { Queryable } from "../queryable.ts";
import { type Access, usageOf } from "./accesses.ts";
import { readTables, type Table } from "./catalog.ts";
import { type Node, parseStatement, relationName, relationsOf } from "./syntax.ts";
import type { Question } from "./times.ts";
import type { Statement } from "./workload.ts";

/** A workload, with what its statements read and write. */
export interface Prepared {
  questions: Question[];
  accesses: Access[];
  tables: Table[];
  /** Statements that are left out, and why. */
  skipped: { text: string; why: string }[];
}

/** Statements that are measured: what else an application sends, such as begin and set, has no use for an index. */
const measured = ["SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"];

/** Parses the statements and reads the tables that they name, through views as well. */
export async function prepare(live: Queryable, workload: readonly Statement[]): Promise<Prepared> {
  const skipped: Prepared["skipped"] = [];
  const parsed = workload.flatMap((statement) => {
    const tree = parseStatement(statement.text);
    if (!tree) skipped.push({ text: statement.text, why: "it is not one statement that PostgreSQL's parser reads" });
    else if (!measured.includes(Object.keys(tree)[0]!))
      skipped.push({ text: statement.text, why: "it is not a query" });
    return tree && measured.includes(Object.keys(tree)[0]!) ? [{ statement, tree }] : [];
  });
  const { byName, views } = await readAll(
    live,
    parsed.flatMap(({ tree }) => relationsOf(tree)),
  );
  const accesses: Access[] = [];
  const questions = parsed.flatMap(({ statement, tree }): Question[] => {
    const tables = new Set<Table>();
    const collect = (node: Node, text: string): void => {
      accesses.push(...usageOf(node, text, (name) => byName.get(name)).accesses);
      for (const name of relationsOf(node)) {
        const table = byName.get(name);
        if (!table || tables.has(table)) continue;
        tables.add(table);
        const view = views.get(table);
        if (view) collect(view, table.definition!);
      }
    };
    collect(tree, statement.text);
    if (tables.size === 0) {
      skipped.push({ text: statement.text, why: "it reads no table" });
      return [];
    }
    const fingerprint = createHash("sha256").update(statement.text).digest("hex").slice(0, 16);
    const target = tree.InsertStmt?.relation;
    return [{ statement, fingerprint, tables, inserts: target && byName.get(relationName(target)) }];
  });
  const tables = [...new Map([...byName.values()].map((table) => [table.oid, table])).values()];
  return { questions, accesses, tables, skipped };
}

async function readAll(live: Queryable, names: string[]) {
  const byName = new Map<string, Table>();
  const byOid = new Map<number, Table>();
  const views = new Map<Table, Node>();
  for (let asked = [...new Set(names)]; asked.length > 0; ) {
    const next: string[] = [];
    for (const [name, read] of await readTables(live, asked)) {
      // The same table under two names is one.
      const table = byOid.get(read.oid) ?? read;
      byOid.set(table.oid, table);
      byName.set(name, table);
      const tree = table.definition ? parseStatement(table.definition) : undefined;
      if (!tree || views.has(table)) continue;
      views.set(table, tree);
      next.push(...relationsOf(tree));
    }
    asked = [...new Set(next)].filter((name) => !byName.has(name));
  }
  return { byName, views };
}
