import { streamQuery } from "../queries/query.ts";
import { type Check, type Row, rowOfFailure } from "./check.ts";
import { limits } from "./limits.ts";
import { rounded } from "./samples.ts";

// As many as tell the rate; the rest is never fetched, and so never read.
const mostRows = 100_000;

/** Whether a large result begins at once and flows: all rows are asked for, and the first hundred thousand read. */
export const largeData: Check = {
  name: "large-data",
  title: "Does a large result begin at once?",
  needsQueries: true,
  share: 0.1,
  async ask(session, seconds) {
    const rows: Row[] = [];
    for (const { query } of session.queries.filter(({ query: { large } }) => large)) {
      try {
        const started = performance.now();
        let [number, firstMs] = [0, 0];
        await session.read(async (client) => {
          for await (const _ of streamQuery(client, query, {})) {
            if (++number === 1) firstMs = performance.now() - started;
            if (number === mostRows || performance.now() - started > 1000 * seconds) break;
          }
        });
        const elapsed = performance.now() - started;
        const late = firstMs > limits.firstRow.value;
        rows.push({
          subject: query.name,
          verdict: number === 0 ? "skipped" : late ? "failed" : "passed",
          figures: { rows: number, firstRowMs: rounded(firstMs), rowsPerSecond: rounded(number / (elapsed / 1000), 0) },
          ...(late ? { said: `Its first row takes more than ${limits.firstRow.value} ms.` } : {}),
          ...(number === 0 ? { said: "It has no rows." } : {}),
        });
      } catch (error) {
        rows.push(rowOfFailure(query.name, error, session));
      }
    }
    return rows;
  },
};
