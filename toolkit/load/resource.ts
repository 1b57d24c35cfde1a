import { mkdir } from "node:fs/promises";
import { basename } from "node:path";
import type pg from "pg";
import { deriveFromPrices } from "../analysis/derived.ts";
import { allPrices } from "../analysis/prices.ts";
import { type Answer, answerQuestions } from "../analysis/questions.ts";
import { type Connection, withClient } from "../connection.ts";
import { messageOf } from "../errors.ts";
import type { CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult } from "../provider.ts";
import { containsUnknown } from "../unknown.ts";
import { type LoadOptions, load } from "./load.ts";
import { describe } from "./result.ts";
import { contentHash, inspect } from "./source.ts";

/** Files by their path from the project's root, which is the current folder of a provider. */
const files: { path: string; options: LoadOptions }[] = [
  { path: "node_modules/vega-datasets/data/sp500-2000.csv", options: { symbol: "SP500" } },
  { path: "node_modules/vega-datasets/data/stocks.csv", options: {} },
];

/** What the files do not say of their symbols. Sectors by the Global Industry Classification Standard. */
const stocks = [
  { symbol: "SP500", name: "S&P 500", sector: "Index" },
  { symbol: "AAPL", name: "Apple", sector: "Information Technology" },
  { symbol: "AMZN", name: "Amazon", sector: "Consumer Discretionary" },
  { symbol: "GOOG", name: "Google", sector: "Communication Services" },
  { symbol: "IBM", name: "IBM", sector: "Information Technology" },
  { symbol: "MSFT", name: "Microsoft", sector: "Information Technology" },
];

// Rejected lines stay out of node_modules, which belongs to npm.
const rejectsFolder = ".local/rejects";

// A preview does not wait long for a server that may be stopped.
const previewTimeout = 3_000;

export interface Inputs {
  connection: Connection;
  /** Identity of the server: another one holds none of the rows. */
  server: string;
  /** Fingerprint of the schema: a changed one may have new indicators or views. */
  fingerprint: string;
  files?: { name: string; sha256: string }[];
}

/** How many rows of the sample there are, by table. */
interface Rows {
  prices: number;
  indicators: number;
}

export interface Outputs extends Inputs {
  rows: Rows;
  report: Answer[];
}

/** Adds what the files hold to the inputs, so that another release of the data shows as a change. */
export async function check(_olds: Inputs, news: Inputs): Promise<CheckResult<Inputs>> {
  try {
    const hashes = await Promise.all(
      files.map(async ({ path, options }) => {
        const sha256 = await contentHash(await inspect(path, options));
        return { name: basename(path), sha256: sha256.slice(0, 16) };
      }),
    );
    return { inputs: { ...news, files: hashes } };
  } catch (error) {
    const reason = `the sample data cannot be read\n  why: ${messageOf(error)}\n  fix: Run \`npm ci\` again.`;
    return { inputs: news, failures: [{ property: "files", reason }] };
  }
}

/** Compares what went in, then looks whether the rows are still there; a server out of reach tells nothing. */
export async function diff(_id: string, olds: Outputs, news: Inputs): Promise<DiffResult> {
  const facts = ({ files, server, fingerprint }: Inputs) => JSON.stringify([files, server, fingerprint]);
  if (facts(olds) !== facts(news)) return { changes: true };
  if (containsUnknown(news.connection)) return { changes: false };
  const present = await withClient(
    news.connection,
    { applicationName: "sample data", connectTimeout: previewTimeout, statementTimeout: previewTimeout },
    countRows,
  ).catch(() => undefined);
  if (!present) return { changes: false };
  return { changes: present.prices < olds.rows.prices || present.indicators < olds.rows.indicators };
}

/** Loads the files, computes the indicators, refreshes the views and reports. Safe to repeat after any failure. */
export async function create(inputs: Inputs): Promise<CreateResult<Outputs>> {
  return { id: "sample-data", outs: await bring(inputs) };
}

export async function update(_id: string, _olds: Outputs, news: Inputs): Promise<UpdateResult<Outputs>> {
  return { outs: await bring(news) };
}

/** Nothing to look up: whether rows are missing is found by `diff`. */
export async function read(id: string, props: Outputs): Promise<ReadResult<Outputs>> {
  return { id, props };
}

export async function delete_(): Promise<void> {
  console.log("the prices stay in the database; they go when it goes");
}

async function bring(inputs: Inputs): Promise<Outputs> {
  const { connection } = inputs;
  await mkdir(rejectsFolder, { recursive: true });
  for (const { path, options } of files)
    for (const line of describe(await load(connection, path, { ...options, rejects: rejectsFolder })))
      console.log(line);
  return withClient(connection, { applicationName: "sample data" }, async (client) => {
    await describeStocks(client);
    const symbols = stocks.map(({ symbol }) => symbol);
    await deriveFromPrices(client, symbols, (line) => console.log(line));
    const report = await answerQuestions(client);
    for (const { question, answer } of report) console.log(`${question}\n  ${answer}`);
    return { ...inputs, rows: (await countRows(client))!, report };
  });
}

/** Gives the six stocks their names and sectors, but changes nothing that somebody has set since. */
async function describeStocks(client: pg.ClientBase): Promise<void> {
  const values = [
    stocks.map(({ symbol }) => symbol),
    stocks.map(({ name }) => name),
    stocks.map(({ sector }) => sector),
  ];
  await client.query("insert into sectors (name) select distinct unnest($1::text[]) on conflict (name) do nothing", [
    values[2],
  ]);
  await client.query(
    `update stocks s
     set name = case when s.name = s.symbol then k.name else s.name end,
         sector_id = coalesce(s.sector_id, e.id)
     from unnest($1::text[], $2::text[], $3::text[]) as k (symbol, name, sector)
     join sectors e on e.name = k.sector
     where s.symbol = k.symbol and (s.name = s.symbol or s.sector_id is null)`,
    values,
  );
}

/** @returns nothing where the tables are missing */
async function countRows(client: pg.ClientBase): Promise<Rows | undefined> {
  const { rows: tables } = await client.query("select to_regclass('technical_indicators') is not null as present");
  if (!tables[0].present) return undefined;
  const { rows } = await client.query<Rows>(
    `with sample as (select id from stocks where symbol = any ($1))
     select (select count(*)::int from ${await allPrices(client)} where stock_id in (select id from sample)) as prices,
            (select count(*)::int from technical_indicators where stock_id in (select id from sample)) as indicators`,
    [stocks.map(({ symbol }) => symbol)],
  );
  return rows[0];
}
