import { statementOf } from "../queries/query.ts";
import { type Check, type Row, rowOfFailure } from "./check.ts";
import { excesses, planModes, readPlan } from "./plans.ts";

/** Whether the plan of every query stays within what the query expects of it, with its values known and left open. */
export const queryPlans: Check = {
  name: "plans",
  title: "Do the queries read as little as they should?",
  needsQueries: true,
  share: 0,
  async ask(session) {
    const rows: Row[] = [];
    for (const { query, options } of session.queries) {
      try {
        const reads = [];
        for (const mode of planModes) reads.push(await readPlan(session.read, statementOf(query, options), mode));
        const wrong = [...new Set(reads.flatMap((read) => excesses(read, query.expectation)))];
        rows.push({
          subject: query.name,
          verdict: wrong.length > 0 ? "failed" : "passed",
          figures: {
            buffers: Math.max(...reads.map(({ buffers }) => buffers)),
            mostBuffers: query.expectation.buffers,
            partitions: Math.max(...reads.map(({ partitions }) => partitions)),
            mostPartitions: query.expectation.partitions,
          },
          ...(wrong.length > 0 ? { said: wrong.join(" ") } : {}),
        });
      } catch (error) {
        rows.push(rowOfFailure(query.name, error, session));
      }
    }
    return rows;
  },
};
