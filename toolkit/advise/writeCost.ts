import type pg from "pg";
import type { Table } from "./catalog.ts";
import { copiedColumns } from "./copy.ts";

/** What inserting a row takes, in microseconds, without and with an index. */
export interface WriteCost {
  without: number;
  with: number;
}

const rowsWritten = 1_000;
const runs = 7;

/** Takes rows of a table out and puts them in again, in turns without and with an index; each time undone. */
export async function writeCost(
  client: pg.Client,
  table: Table,
  show: (withIt: boolean) => Promise<void>,
): Promise<WriteCost> {
  const columns = copiedColumns(table);
  const times = { without: [] as number[], with: [] as number[] };
  await client.query(
    `create temporary table rows_written as
     select tableoid as of_table, ctid as of_place, ${columns} from ${table.name} limit ${rowsWritten}`,
  );
  const { rows: counted } = await client.query("select count(*)::int as count from rows_written");
  try {
    // The first round fills the caches and is not counted.
    for (let run = 0; run <= runs; run++)
      for (const side of ["without", "with"] as const) {
        await show(side === "with");
        await client.query("begin");
        await client.query(
          `delete from ${table.name} t using rows_written w where t.tableoid = w.of_table and t.ctid = w.of_place`,
        );
        const { rows } = await client.query(
          `explain (analyze, timing off, format json)
           insert into ${table.name} (${columns}) select ${columns} from rows_written`,
        );
        await client.query("rollback");
        if (run > 0)
          times[side].push((1_000 * rows[0]["QUERY PLAN"][0]["Execution Time"]) / Math.max(counted[0].count, 1));
      }
  } finally {
    await client.query("drop table rows_written").catch(() => {});
  }
  // The quickest: whatever else this machine does only makes it longer.
  return { without: Math.min(...times.without), with: Math.min(...times.with) };
}
