import type pg from "pg";
import { pack } from "../toolkit/compress/pack.ts";
import { status } from "../toolkit/compress/status.ts";
import { unpack } from "../toolkit/compress/unpack.ts";
import { withClient } from "../toolkit/connection.ts";
import { applyMigrations } from "../toolkit/migrate/apply.ts";
import { count, say } from "../toolkit/terminal.ts";
import { loadMarket, sizesFor } from "./headline/load.ts";
import type { BenchOptions, Measured } from "./index.ts";
import { startBenchServer } from "./server.ts";

const defaultRows = 1_300_000;
// Of each query at least so many, and of a short one so many as fit into the time: a few rounds of it are chance.
const [rounds, shortTime] = [5, 3_000];

/** Each is asked of the plain partitions and of the packed rows; the answers must be the same. */
const queries: Record<string, string> = {
  "one stock, its history": "select * from $ where stock_id = 1 order by date",
  "one stock, one column": "select avg(close) from $ where stock_id = 1",
  "one day, all stocks": "select count(*), avg(close) from $ where date = '2015-05-05'",
  "one month, all stocks": "select count(*), avg(close) from $ where date between '2015-03-01' and '2015-03-31'",
  "all stocks: rows": "select count(*) from $",
  "all stocks: average close": "select avg(close) from $",
  "all stocks: per stock": "select stock_id, avg(close), max(high), min(low), sum(volume) from $ group by 1 order by 1",
  "all stocks: all columns":
    "select sum(open), sum(high), sum(low), sum(close), sum(adjusted_close), sum(volume) from $",
};

/**
 * The size and the speed of packed prices against those of the plain partitions: two databases of one server with the
 * same rows, asked in turn.
 */
export async function bench({ rows = defaultRows }: BenchOptions): Promise<Measured> {
  // As in the parameter table of infra/parameters.ts: it decides how a month is read from the packed rows.
  const server = await startBenchServer({ embedded: true, settings: { random_page_cost: "1.1" } });
  const database = (name: string) => ({ ...server.connection, database: name });
  const [plainSide, packedSide] = [database("plain"), database("packed")];
  const administer = (sql: string) => withClient(server.connection, {}, (client) => client.query(sql));
  try {
    await administer("create database plain template template0");
    const settings = { directory: "migrations" };
    await applyMigrations(plainSide, { ...settings, to: "0001_initial_schema" });
    await loadMarket(plainSide, { ...sizesFor(rows), indicators: 0, recommendations: 0, apiCalls: 0 });
    await applyMigrations(plainSide, settings);
    await withClient(plainSide, {}, (client) => client.query("vacuum analyze"));
    await administer("create database packed template plain");
    const packing = await timed(() => pack(packedSide, { olderThan: "1 day", say }));
    const result = await withClient(plainSide, {}, (plain) =>
      withClient(packedSide, {}, async (packed) => {
        await packed.query("vacuum analyze packed.price_history_chunk, packed.price_history_day");
        const found = await status(packed, "1 day");
        const total = found.packed.rows;
        say(`PostgreSQL ${server.version}, ${count(total)} packed rows`);
        const plainBytes = await plainSize(plain, found.packed.to!);
        const times = await measure(plain, packed);
        const unpacking = await timed(() => unpack(packedSide, { say }));
        const restored = (await checksumOf(packed)) === (await checksumOf(plain));
        if (!restored) throw new Error("unpack has not restored the very same rows");
        return {
          server: server.version,
          rows: total,
          plainBytesPerRow: plainBytes / total,
          packedBytesPerRow: found.packed.bytes / total,
          timesSmaller: plainBytes / found.packed.bytes,
          packedRowsPerSecond: (total / packing) * 1000,
          unpackedRowsPerSecond: (total / unpacking) * 1000,
          restored,
          times,
        };
      }),
    );
    return { result, lines: table(result) };
  } finally {
    await server.stop();
  }
}

/** Of the partitions whose rows are packed on the other side, with their indexes. */
async function plainSize(client: pg.Client, lastDay: string): Promise<number> {
  const { rows } = await client.query(
    `select sum(pg_total_relation_size(partition))::float8 as bytes from partition_bounds('public.price_history')
     where from_date <= $1`,
    [lastDay],
  );
  return rows[0].bytes;
}

async function checksumOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query(
    `select count(*) || ' ' || bit_xor(packed.price_history_hash(stock_id, date, open, high, low, close, adjusted_close,
                                                                 volume)) as checksum
     from public.price_history`,
  );
  return rows[0].checksum;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/**
 * The best of some rounds, after one that warms up. Both sides are asked in every round, so that whatever else the
 * machine does falls on both.
 */
async function measure(plain: pg.Client, packed: pg.Client) {
  const times = [];
  for (const [query, text] of Object.entries(queries)) {
    let [before, after] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    const ask = async (client: pg.Client, relation: string) => {
      const started = performance.now();
      const { rows } = await client.query(text.replace("$", relation));
      return { time: performance.now() - started, answer: JSON.stringify(rows) };
    };
    const begun = performance.now();
    for (let round = 0; round <= rounds || performance.now() - begun < shortTime; round++) {
      const [one, other] = [await ask(plain, "public.price_history"), await ask(packed, "packed.price_history")];
      if (one.answer !== other.answer) throw new Error(`"${query}" has another answer of packed rows`);
      if (round > 0) [before, after] = [Math.min(before, one.time), Math.min(after, other.time)];
    }
    times.push({ query, plain: before, packed: after, ratio: after / before });
  }
  return times;
}

function table(result: {
  plainBytesPerRow: number;
  packedBytesPerRow: number;
  timesSmaller: number;
  packedRowsPerSecond: number;
  unpackedRowsPerSecond: number;
  times: { query: string; plain: number; packed: number; ratio: number }[];
}): string[] {
  const row = (name: string, plain: string, packed: string, ratio: string) =>
    `${name.padEnd(27)}${plain.padStart(12)}${packed.padStart(12)}${ratio.padStart(19)}`;
  return [
    row("", "plain", "packed", ""),
    row(
      "bytes a row, with indexes",
      result.plainBytesPerRow.toFixed(1),
      result.packedBytesPerRow.toFixed(1),
      `${result.timesSmaller.toFixed(1)} x smaller`,
    ),
    ...result.times.map(({ query, plain, packed, ratio }) =>
      row(query, `${plain.toFixed(1)} ms`, `${packed.toFixed(1)} ms`, `${ratio.toFixed(2)} x the time`),
    ),
    `packed ${count(result.packedRowsPerSecond)} rows a second, unpacked ${count(result.unpackedRowsPerSecond)}; every row came back the same`,
  ];
}
