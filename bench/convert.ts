import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, connectionString, withClient } from "../toolkit/connection.ts";
import { applyMigrations } from "../toolkit/migrate/apply.ts";
import { count, say } from "../toolkit/terminal.ts";
import { type Contender, contenders } from "./contenders.ts";
import type { BenchOptions, Measured } from "./index.ts";
import { startBenchServer } from "./server.ts";

const defaultRows = 5_000_000;
const [stocks, writtenStocks, rate] = [1_000, 50, 200];
// Before it begins and after it has ended the traffic alone is measured, so that its own noise shows.
const quietTime = 5_000;

interface Result {
  contender: string;
  seconds: number;
  rowsPerSecond: number;
  longestStall: number;
  p99: number;
  /** The same without anything beside the traffic. */
  quiet: { longest: number; p99: number };
  statements: number;
  failedStatements: number;
  failure: string | null;
  lostRows: number;
  doubledRows: number;
  wrongRows: number;
}

/** Partitions price_history under live reads and writes, each contender on a copy of the same database. */
export async function bench({ rows = defaultRows }: BenchOptions): Promise<Measured> {
  const server = await startBenchServer();
  try {
    say(`PostgreSQL ${server.version}, ${count(rows)} rows, ${rate} statements a second beside`);
    const template = { ...server.connection, database: "filled" };
    await fill(server.connection, template, rows);
    const results: Result[] = [];
    for (const contender of contenders(server.hasPartman)) {
      const database = `c${results.length}`;
      await onServer(server.connection, `create database ${database} template filled strategy file_copy`);
      results.push(await measure(contender, { ...server.connection, database }, rows));
      await onServer(server.connection, `drop database ${database} with (force)`);
    }
    return { result: { server: server.version, rows, rate, results, ...ratios(results) }, lines: table(results) };
  } finally {
    await server.stop();
  }
}

async function onServer(connection: Connection, sql: string): Promise<void> {
  await withClient(connection, {}, (client) => client.query(sql));
}

async function fill(admin: Connection, template: Connection, rows: number): Promise<void> {
  await onServer(admin, "create database filled template template0");
  await applyMigrations(template, { directory: "migrations", to: "0017_replace_table" });
  await withClient(template, {}, async (client) => {
    await client.query("insert into stocks (symbol, name) select 'S' || n, 'a stock' from generate_series(1, $1) n", [
      stocks,
    ]);
    await client.query(
      `insert into price_history (stock_id, date, open, high, low, close, adjusted_close, volume)
       select s, current_date - d, 10 + s % 7, 12 + s % 7, 9 + s % 7, 11 + d % 100 / 7.0, 11 + d % 100 / 7.0, 1000 * d
       from generate_series(1, $1) s, generate_series($2::int - 1, 0, -1) d`,
      [stocks, Math.ceil(rows / stocks)],
    );
    await client.query("vacuum (analyze) price_history");
    await client.query("checkpoint");
  });
}

async function measure(contender: Contender, connection: Connection, rows: number): Promise<Result> {
  say(`  ${contender.name}`);
  const before = await untouched(connection);
  const traffic = await startTraffic(connection, Math.ceil(rows / stocks));
  await sleep(quietTime);
  const quiet = await traffic.stop();
  const busy = await startTraffic(connection, Math.ceil(rows / stocks));
  await sleep(500);
  busy.mark();
  const started = performance.now();
  await contender.run(connection);
  const seconds = (performance.now() - started) / 1000;
  const seen = await busy.stop();
  const expected = new Map([...quiet.ledger, ...seen.ledger]);
  return {
    contender: contender.name,
    seconds,
    rowsPerSecond: rows / seconds,
    longestStall: seen.longest,
    p99: seen.p99,
    quiet: { longest: quiet.longest, p99: quiet.p99 },
    statements: seen.statements,
    failedStatements: seen.failures,
    failure: seen.failure,
    ...(await compare(connection, expected, before)),
  };
}

interface Untouched {
  rows: number;
  hash: string;
}

/** Count and hash of the rows that no traffic writes. */
async function untouched(connection: Connection): Promise<Untouched> {
  return withClient(connection, {}, async (client) => {
    const { rows } = await client.query(
      `select count(*)::float8 as rows,
              sum(hash_record_extended(row(stock_id, date, open, high, low, close, adjusted_close, volume), 0))::text as hash
       from price_history where stock_id > $1`,
      [writtenStocks],
    );
    return rows[0];
  });
}

async function compare(connection: Connection, expected: Map<string, number | null>, before: Untouched) {
  const after = await untouched(connection);
  return withClient(connection, {}, async (client) => {
    const { rows } = await client.query<{ key: string; closes: number[] }>(
      `select concat_ws(' ', stock_id, date::text) as key, array_agg(close::float8) as closes
       from price_history where stock_id <= $1 group by stock_id, date`,
      [writtenStocks],
    );
    const present = new Map(rows.map(({ key, closes }) => [key, closes]));
    let [lostRows, doubledRows, wrongRows] = [0, rows.filter(({ closes }) => closes.length > 1).length, 0];
    for (const [key, close] of expected) {
      const found = present.get(key)?.[0];
      if (close === null ? found !== undefined : found !== undefined && found !== close) wrongRows++;
      if (close !== null && found === undefined) lostRows++;
    }
    lostRows += Math.max(before.rows - after.rows, 0);
    doubledRows += Math.max(after.rows - before.rows, 0);
    if (before.rows === after.rows && before.hash !== after.hash) wrongRows++;
    return { lostRows, doubledRows, wrongRows };
  });
}

interface Seen {
  statements: number;
  longest: number;
  p99: number;
  failures: number;
  failure: string | null;
  ledger: [string, number | null][];
}

async function startTraffic(connection: Connection, days: number): Promise<{ mark(): void; stop(): Promise<Seen> }> {
  const child = spawn(process.execPath, ["bench/traffic.ts", ...[rate, stocks, writtenStocks, days].map(String)], {
    env: { ...process.env, DATABASE_URL: connectionString(connection) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    mark: () => void child.stdin.write("mark\n"),
    async stop() {
      child.stdin.write("stop\n");
      const { value } = await lines.next();
      return JSON.parse(value ?? "{}") as Seen;
    },
  };
}

function ratios(results: Result[]): object {
  const [ours, ...others] = results;
  return {
    stallOfOthersToOurs: Object.fromEntries(others.map((o) => [o.contender, o.longestStall / ours!.longestStall])),
    speedOfOursToOthers: Object.fromEntries(others.map((o) => [o.contender, ours!.rowsPerSecond / o.rowsPerSecond])),
  };
}

function table(results: Result[]): string[] {
  const cells = results.map((r) => [
    ...[r.contender, `${count(r.longestStall)} ms`, `${r.p99.toFixed(1)} ms`],
    ...[
      `${count(r.quiet.longest)} ms`,
      `${r.lostRows} / ${r.doubledRows} / ${r.wrongRows}`,
      String(r.failedStatements),
    ],
    ...[count(r.rowsPerSecond), `${r.seconds.toFixed(1)} s`],
  ]);
  const heads = ["", "longest stall", "p99", "(quiet: longest)", "lost/doubled/wrong", "failed", "rows/s", "time"];
  const widths = heads.map((head, i) => Math.max(head.length, ...cells.map((row) => row[i]!.length)));
  return [heads, ...cells].map((row) => row.map((cell, i) => cell.padStart(widths[i]!)).join("  "));
}
