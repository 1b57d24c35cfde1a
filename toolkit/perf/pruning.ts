import { provePruningBy } from "../partitions/pruning.ts";
import { findTables } from "../partitions/tables.ts";
import { type Check, type Row, rowOfFailure } from "./check.ts";

/** Whether partitions are left out: by the planner, by the executor at its start, and row by row in a join. */
export const pruning: Check = {
  name: "pruning",
  title: "Are partitions left out?",
  needsQueries: false,
  share: 0,
  async ask(session) {
    const rows: Row[] = [];
    for (const { sql } of await session.read(findTables)) {
      try {
        const { partitions, cases } = await provePruningBy(session.read, sql);
        const missed = cases.filter(({ pruned }) => !pruned);
        rows.push({
          subject: sql,
          verdict: missed.length > 0 ? "failed" : "passed",
          figures: { partitions, ...Object.fromEntries(cases.map(({ name, scanned }) => [`${name}Scanned`, scanned])) },
          ...(missed.length > 0 ? { said: `Not for: ${missed.map(({ name }) => name).join(", ")}.` } : {}),
        });
      } catch (error) {
        rows.push(rowOfFailure(sql, error, session));
      }
    }
    return rows;
  },
};
