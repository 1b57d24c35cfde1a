import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { parseConnectionString } from "../toolkit/connection.ts";

/**
 * Live traffic at a fixed rate, in a process of its own: statements are due at fixed times, and a latency counts from the
 * time at which it was due, so that a stall counts for all that it holds up. Reads and writes of price_history; writes
 * stay within some stocks, and a ledger knows what must be there.
 *
 * Speaks by lines of JSON: "ready" first; on "mark" it forgets the latencies; on "stop" it prints what it saw.
 */
const [rate, stocks, writtenStocks, days] = process.argv.slice(2).map(Number) as [number, number, number, number];
const lanes = 16;
const patience = 600_000;

const { host, port, database, user, password } = parseConnectionString(process.env.DATABASE_URL!);
const pool = new pg.Pool({
  host,
  port,
  database,
  user,
  password,
  ssl: false,
  max: lanes,
  connectionTimeoutMillis: patience,
});
pool.on("error", () => {});

let latencies: number[] = [];
let failures: string[] = [];
let stopping = false;
const ledger = new Map<string, number | null>();
const busy = new Set<string>();
const random = (below: number) => Math.floor(Math.random() * below);
const dayOf = (day: number) => new Date(Date.now() - day * 86_400_000).toISOString().slice(0, 10);

async function statement(): Promise<void> {
  if (Math.random() < 0.6) {
    const stock = 1 + random(stocks);
    await pool.query(
      Math.random() < 0.7
        ? "select close from price_history where stock_id = $1 order by date desc limit 1"
        : "select avg(close) from price_history where stock_id = $1 and date > current_date - 40",
      [stock],
    );
    return;
  }
  const [stock, date, close] = [1 + random(writtenStocks), dayOf(random(days)), random(100_000)];
  const key = `${stock} ${date}`;
  if (busy.has(key)) return;
  busy.add(key);
  try {
    const kind = Math.random();
    if (kind < 0.5) {
      await pool.query(
        `insert into price_history (stock_id, date, close) values ($1, $2, $3)
         on conflict (stock_id, date) do update set close = excluded.close`,
        [stock, date, close],
      );
      ledger.set(key, close);
    } else if (kind < 0.75) {
      await pool.query("delete from price_history where stock_id = $1 and date = $2", [stock, date]);
      ledger.set(key, null);
    } else {
      const { rowCount } = await pool.query("update price_history set close = $3 where stock_id = $1 and date = $2", [
        stock,
        date,
        close,
      ]);
      if (rowCount) ledger.set(key, close);
    }
  } finally {
    busy.delete(key);
  }
}

const running = new Set<Promise<void>>();
function fire(due: number): void {
  const task = statement()
    .catch((error: Error) => void failures.push(error.message))
    .then(() => {
      latencies.push(performance.now() - due);
      running.delete(task);
    });
  running.add(task);
}

process.stdin.setEncoding("utf8").on("data", (text: string) => {
  if (text.includes("mark")) [latencies, failures] = [[], []];
  if (text.includes("stop")) stopping = true;
});

await Promise.all(Array.from({ length: lanes }, () => pool.query("select pg_sleep(0.05)")));
process.stdout.write(`${JSON.stringify("ready")}\n`);
for (let due = performance.now(); !stopping; due += 1000 / rate) {
  const early = due - performance.now();
  if (early > 1) await sleep(early);
  fire(due);
}
await Promise.all(running);
await pool.end();
const sorted = latencies.sort((a, b) => a - b);
process.stdout.write(
  `${JSON.stringify({
    statements: sorted.length,
    longest: sorted.at(-1) ?? 0,
    p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    failures: failures.length,
    failure: failures[0] ?? null,
    ledger: [...ledger],
  })}\n`,
  // A long line leaves through the pipe in parts: an exit before its end would cut it off.
  () => process.exit(0),
);
