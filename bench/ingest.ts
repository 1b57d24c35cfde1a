import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Connection, withClient } from "../toolkit/connection.ts";
import { load } from "../toolkit/load/load.ts";
import { applyMigrations } from "../toolkit/migrate/apply.ts";
import { type PriceInput, upsertPrices } from "../toolkit/queries/upsert.ts";
import { median } from "../toolkit/statistics.ts";
import { count, say } from "../toolkit/terminal.ts";
import type { BenchOptions, Measured } from "./index.ts";
import { csv, makeMarket, type Price } from "./ingest/prices.ts";
import { insertPrices } from "./ingest/rivals.ts";
import { makeSituation, type Situation, situations } from "./ingest/situations.ts";
import { startBenchServer } from "./server.ts";

const defaultRows = 200_000;
const rounds = 3;
// Row by row, as many as tell the rate.
const mostSingleRows = 2_000;
const multiRows = 1_000;
const template = "ingest_template";

/** One way to store prices; each gets the same database, and the same rows. */
interface Contender {
  name: string;
  /** Stores the rows, or the first of them. @returns how many */
  store(connection: Connection, task: { prices: Price[]; file: string; situation: Situation }): Promise<number>;
}

const contenders: Contender[] = [
  {
    name: "row by row",
    store: (connection, { prices, situation }) =>
      insertPrices(connection, prices.slice(0, mostSingleRows), { perStatement: 1, ...situation }),
  },
  {
    name: "1,000 rows a statement",
    store: (connection, { prices, situation }) =>
      insertPrices(connection, prices, { perStatement: multiRows, ...situation }),
  },
  {
    name: "load of a CSV file",
    store: async (connection, { file }) => {
      const { inserted, updated } = await load(connection, file);
      return inserted + updated;
    },
  },
  {
    name: "upsertPrices",
    store: (connection, { prices }) =>
      withClient(connection, {}, async (client) => {
        const { inserted, updated } = await upsertPrices(client, prices as PriceInput[]);
        return inserted + updated;
      }),
  },
];

/**
 * Bulk load against row-by-row and multi-row inserts, into the tables of the last migration, on one server: of months
 * that are new, of stocks that are new in months that are there, and of prices that are there and differ.
 */
export async function bench({ rows = defaultRows }: BenchOptions): Promise<Measured> {
  const [server, folder] = [await startBenchServer({ embedded: true }), await mkdtemp(join(tmpdir(), "bench-ingest-"))];
  try {
    const market = makeMarket(rows);
    const file = join(folder, "prices.csv");
    await pipeline(Readable.from(csv(market.prices)), createWriteStream(file));
    await applyToTemplate(server.connection);
    say(`PostgreSQL ${server.version}, ${count(market.prices.length)} rows`);
    const rates: Rates = {};
    for (const situation of situations) {
      say(`${situation.name}:`);
      const database = `${template}_${situations.indexOf(situation)}`;
      await asAdministrator(server.connection, `create database ${database} template ${template}`);
      await makeSituation({ ...server.connection, database }, market, situation);
      const task = { prices: market.prices, file, situation };
      for (let round = 0; round < rounds; round++)
        for (const { name, store } of contenders) {
          const rate = await inFreshDatabase(server.connection, database, (connection) => store(connection, task));
          const known = rates[situation.name] ?? {};
          rates[situation.name] = { ...known, [name]: [...(known[name] ?? []), rate] };
          say(`  ${name}: ${count(rate)} rows/s`);
        }
    }
    return summary(server.version, market.prices.length, rates);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Rows a second in each round, by situation and contender. */
type Rates = Record<string, Record<string, number[]>>;

/**
 * Each way by the median of its rounds, and how many times faster it is: the median of the ratios within each round,
 * whose parts met the same machine.
 */
function summary(version: string, rows: number, rates: Rates): Measured {
  const against = (own: number[], other: number[]) => median(own.map((rate, round) => rate / other[round]!));
  const tables = Object.entries(rates).map(([situation, ways]) => ({
    situation,
    table: Object.entries(ways).map(([name, own]) => ({
      name,
      rowsPerSecond: Math.round(median(own)),
      timesRowByRow: against(own, ways["row by row"]!),
      timesMultiRow: against(own, ways["1,000 rows a statement"]!),
    })),
  }));
  const heading = ["rows/s".padStart(10), "× row by row".padStart(14), "× multi-row".padStart(13)].join("");
  return {
    result: { version, rows, rates, tables },
    lines: tables.flatMap(({ situation, table }) => [
      situation.padEnd(30) + heading,
      ...table.map(
        ({ name, rowsPerSecond, timesRowByRow, timesMultiRow }) =>
          `  ${name}`.padEnd(30) +
          count(rowsPerSecond).padStart(10) +
          timesRowByRow.toFixed(1).padStart(14) +
          timesMultiRow.toFixed(2).padStart(13),
      ),
      "",
    ]),
  };
}

async function applyToTemplate(server: Connection): Promise<void> {
  await asAdministrator(server, `create database ${template} template template0`);
  await applyMigrations({ ...server, database: template }, { directory: "migrations" });
}

const asAdministrator = (server: Connection, text: string) => withClient(server, {}, (client) => client.query(text));

/** @returns rows in a second */
async function inFreshDatabase(
  server: Connection,
  from: string,
  store: (connection: Connection) => Promise<number>,
): Promise<number> {
  await asAdministrator(server, `create database ingest template ${from}`);
  try {
    await asAdministrator(server, "checkpoint");
    const connection = { ...server, database: "ingest" };
    const started = performance.now();
    const stored = await store(connection);
    const seconds = (performance.now() - started) / 1000;
    await checkStored(connection, stored);
    return stored / seconds;
  } finally {
    await asAdministrator(server, "drop database ingest with (force)");
  }
}

/** Nobody wins by storing less, or other rows, or in a table with fewer constraints. */
async function checkStored(connection: Connection, stored: number): Promise<void> {
  const { rows } = await withClient(connection, {}, (client) =>
    client.query<{ right: number; wrong: number; unchecked: number }>(`
      select (select count(*)::int from price_history p join given g using (stock_id, date)
              where (p.open, p.high, p.low, p.close, p.adjusted_close, p.volume)
                    = (g.open, g.high, g.low, g.close, g.adjusted_close, g.volume)) as "right",
             (select count(*)::int from (table price_history except all (table given union all table before)) as other) as wrong,
             (select count(*)::int from pg_partition_tree('price_history') t where isleaf and 2 <>
                (select count(*) from pg_constraint where conrelid = t.relid and contype in ('p', 'f') and convalidated)) as unchecked`),
  );
  const { right, wrong, unchecked } = rows[0]!;
  if (right !== stored || wrong > 0 || unchecked > 0)
    throw new Error(
      `${right} rows are as they were given, not ${stored}; ${wrong} are not; ${unchecked} partitions lack a key`,
    );
}
