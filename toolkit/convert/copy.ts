import { drainAll, drainSome } from "./drain.ts";
import { blocks, type Conversion, findConversion } from "./journal.ts";
import { lacksPartition, makeMonths } from "./months.ts";
import { namesFor } from "./names.ts";
import { makePace } from "./pace.ts";
import { inTransaction, type Session } from "./session.ts";

/**
 * Copies the rows of the plain table, a range of its blocks at a time, and brings logged changes over in between. Ranges
 * of blocks read the table once, from front to back, and need no index; rows that an update moves to another block, or
 * that arrive behind the end, are in the log. Each batch is one transaction with its line in the journal: a killed run
 * goes on after the last one.
 */
export async function copyRows(session: Session, conversion: Conversion): Promise<void> {
  const { settings, client } = session;
  const { shape } = conversion;
  const pace = await makePace(session, namesFor(shape));
  try {
    for (;;) {
      await drainSome(session, conversion);
      const { nextBlock, endBlock } = (await findConversion(client, shape.baseName))!;
      settings.progress(nextBlock, endBlock, pace.note());
      if (nextBlock >= endBlock) break;
      const started = performance.now();
      await copyBatch(session, conversion, nextBlock, Math.min(nextBlock + pace.blocks(), endBlock));
      await pace.after(performance.now() - started);
    }
    await drainAll(session, conversion, (milliseconds) => pace.after(milliseconds));
  } finally {
    await pace.stop();
  }
}

async function copyBatch(session: Session, conversion: Conversion, from: number, to: number): Promise<void> {
  const { client, settings } = session;
  const { shape } = conversion;
  const { live, shadow } = namesFor(shape);
  const columns = shape.columns.map(({ name }) => name).join(", ");
  const range = [`(${from},0)`, `(${to},0)`];
  try {
    const moved = await inTransaction(client, async () => {
      // Losing the last batches with the server loses their lines in the journal too.
      await client.query("set local synchronous_commit to off");
      const { rowCount } = await client.query(
        `insert into ${shadow} (${columns})
         select ${columns} from ${live} where ctid >= $1::tid and ctid < $2::tid order by ${shape.key.join(", ")}
         on conflict (${shape.key.join(", ")}) do nothing`,
        range,
      );
      const same = await client.query(
        `update deploy.partitioning set next_block = $2, rows_copied = rows_copied + $3, updated_at = now()
         where table_name = $1 and file_node = pg_relation_filenode(plain) returning true`,
        [shape.baseName, to, rowCount],
      );
      return same.rowCount === 0;
    });
    if (!moved) return;
    settings.say(`${shape.name} was rewritten meanwhile: its rows are copied again from the start`);
    await copyFromStart(session, conversion);
  } catch (error) {
    if (!lacksPartition(error)) throw error;
    const dates = `select ${shape.date} as date from ${live} where ctid >= $1::tid and ctid < $2::tid`;
    await makeMonths(session, conversion, dates, range);
  }
}

/** Begins again with the first block: rows that are there already stay. */
async function copyFromStart({ client }: Session, { shape }: Conversion): Promise<void> {
  await client.query(
    `update deploy.partitioning
     set next_block = 0, end_block = ${blocks("plain")}, file_node = pg_relation_filenode(plain)
     where table_name = $1`,
    [shape.baseName],
  );
}
