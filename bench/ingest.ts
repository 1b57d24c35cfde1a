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
import { makeListings, tradingDays, walk } from "./headline/market.ts";
import type { BenchOptions, Measured } from "./index.ts";
import { startBenchServer } from "./server.ts";

const defaultRows = 200_000;
const [seed, rounds] = [20_260_101, 3];
// Row by row, as many as tell the rate.
const mostSingleRows = 5_000;
const multiRows = 1_000;
// The market's last two years: many stocks a day, as a vendor's file of daily prices has them.
const days = 500;
const template = "ingest_template";

/** A price as text, as it comes: no contender has to format numbers. */
type Price = Record<"symbol" | "date" | "open" | "high" | "low" | "close" | "adjustedClose" | "volume", string> & {
  stockId: number;
};

/** One way to store prices; each gets an empty database at head, and the same rows. */
interface Contender {
  name: string;
  /** Stores the rows, or the first of them. @returns how many */
  store(connection: Connection, market: Market): Promise<number>;
}

interface Market {
  prices: Price[];
  file: string;
}

const contenders: Contender[] = [
  { name: "row by row", store: (connection, { prices }) => insert(connection, prices.slice(0, mostSingleRows), 1) },
  { name: "1,000 rows a statement", store: (connection, { prices }) => insert(connection, prices, multiRows) },
  {
    name: "load of a CSV file",
    store: async (connection, { file }) => (await load(connection, file)).inserted,
  },
  {
    name: "upsertPrices",
    store: (connection, { prices }) =>
      withClient(connection, {}, async (client) => (await upsertPrices(client, prices as PriceInput[])).inserted),
  },
];

/** Bulk load against row-by-row and multi-row inserts, into the tables of the last migration, on one server. */
export async function bench({ rows = defaultRows }: BenchOptions): Promise<Measured> {
  const [server, folder] = [await startBenchServer({ embedded: true }), await mkdtemp(join(tmpdir(), "bench-ingest-"))];
  try {
    const market = { prices: makePrices(rows), file: join(folder, "prices.csv") };
    await pipeline(Readable.from(csv(market.prices)), createWriteStream(market.file));
    await makeTemplate(server.connection, market.prices);
    say(`PostgreSQL ${server.version}, ${count(market.prices.length)} rows`);
    const rates: Record<string, number[]> = {};
    for (let round = 0; round < rounds; round++)
      for (const { name, store } of contenders) {
        const rate = await inFreshDatabase(server.connection, market.prices, (connection) => store(connection, market));
        rates[name] = [...(rates[name] ?? []), rate];
        say(`  ${name}: ${count(rate)} rows/s`);
      }
    return summary(server.version, market.prices.length, rates);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Each way by the median of its rounds, and how many times faster it is: the median of the ratios within each round,
 * whose parts met the same machine.
 */
function summary(version: string, rows: number, rates: Record<string, number[]>): Measured {
  const [single, multi] = [rates["row by row"]!, rates["1,000 rows a statement"]!];
  const against = (own: number[], other: number[]) => median(own.map((rate, round) => rate / other[round]!));
  const table = Object.entries(rates).map(([name, own]) => ({
    name,
    rowsPerSecond: Math.round(median(own)),
    timesRowByRow: against(own, single),
    timesMultiRow: against(own, multi),
  }));
  return {
    result: { version, rows, rates, table },
    lines: [
      `${"".padEnd(24)}${"rows/s".padStart(10)}${"× row by row".padStart(14)}${"× multi-row".padStart(13)}`,
      ...table.map(
        ({ name, rowsPerSecond, timesRowByRow, timesMultiRow }) =>
          name.padEnd(24) +
          count(rowsPerSecond).padStart(10) +
          timesRowByRow.toFixed(1).padStart(14) +
          timesMultiRow.toFixed(2).padStart(13),
      ),
    ],
  };
}

function makePrices(rows: number): Price[] {
  const dates = tradingDays(new Date()).slice(-days);
  const listings = makeListings(rows, dates.length, seed);
  const prices: Price[] = [];
  let day = 0;
  for (const quotes of walk(listings, dates.length, seed)) {
    for (const { listing, open, high, low, close, adjusted, volume } of quotes)
      prices.push({
        ...{ symbol: listing.symbol, stockId: listing.id, date: dates[day]! },
        ...{ open: String(open / 100), high: String(high / 100), low: String(low / 100), close: String(close / 100) },
        ...{ adjustedClose: String(adjusted / 1_000_000), volume: String(volume) },
      });
    day++;
  }
  return prices.slice(0, rows);
}

function* csv(prices: readonly Price[]): Generator<string> {
  yield "symbol,date,open,high,low,close,adj close,volume\n";
  for (const { symbol, date, open, high, low, close, adjustedClose, volume } of prices)
    yield `${symbol},${date},${open},${high},${low},${close},${adjustedClose},${volume}\n`;
}

/** Head, with the stocks and the partitions that the rows need: nobody is charged for them. */
async function makeTemplate(server: Connection, prices: readonly Price[]): Promise<void> {
  const connection = { ...server, database: template };
  await withClient(server, {}, (client) => client.query(`create database ${template} template template0`));
  await applyMigrations(connection, { directory: "migrations" });
  const symbols = [...new Map(prices.map(({ stockId, symbol }) => [stockId, symbol]))];
  await withClient(connection, {}, async (client) => {
    await client.query(
      "insert into stocks (id, symbol, name) select id, symbol, symbol from unnest($1::int[], $2::text[]) as s (id, symbol)",
      [symbols.map(([id]) => id), symbols.map(([, symbol]) => symbol)],
    );
    await client.query("select ensure_partitions('price_history', $1, $2)", [prices[0]!.date, prices.at(-1)!.date]);
    await client.query("vacuum analyze stocks");
  });
}

/** @returns rows in a second */
async function inFreshDatabase(
  server: Connection,
  prices: readonly Price[],
  store: (connection: Connection) => Promise<number>,
): Promise<number> {
  const connection = { ...server, database: "ingest" };
  const admin = (text: string) => withClient(server, {}, (client) => client.query(text));
  await admin(`create database ingest template ${template}`);
  try {
    await admin("checkpoint");
    const started = performance.now();
    const stored = await store(connection);
    const seconds = (performance.now() - started) / 1000;
    await checkStored(connection, prices.slice(0, stored));
    return stored / seconds;
  } finally {
    await admin("drop database ingest with (force)");
  }
}

/** Nobody wins by storing less. */
async function checkStored(connection: Connection, prices: readonly Price[]): Promise<void> {
  const { rows } = await withClient(connection, {}, (client) =>
    client.query("select count(*)::int as number, sum(volume)::text as volume from price_history"),
  );
  const volume = prices.reduce((sum, price) => sum + BigInt(price.volume), 0n);
  if (rows[0].number !== prices.length || BigInt(rows[0].volume) !== volume)
    throw new Error(`${rows[0].number} rows are stored, not the ${prices.length} that were given`);
}

const columns = ["stockId", "date", "open", "high", "low", "close", "adjustedClose", "volume"] as const;

/** INSERT as an application sends it: so many rows a statement, each statement a transaction of its own. */
async function insert(connection: Connection, prices: readonly Price[], perStatement: number): Promise<number> {
  await withClient(connection, {}, async (client) => {
    for (let start = 0; start < prices.length; start += perStatement) {
      const part = prices.slice(start, start + perStatement);
      await client.query(
        insertStatement(part.length),
        part.flatMap((price) => columns.map((column) => price[column])),
      );
    }
  });
  return prices.length;
}

const statements = new Map<number, string>();

function insertStatement(rows: number): string {
  const known = statements.get(rows);
  if (known) return known;
  const tuples = Array.from(
    { length: rows },
    (_, row) => `(${columns.map((_, column) => `$${row * columns.length + column + 1}`).join(", ")})`,
  );
  const text = `insert into price_history (stock_id, date, open, high, low, close, adjusted_close, volume)
    values ${tuples.join(", ")}`;
  statements.set(rows, text);
  return text;
}
