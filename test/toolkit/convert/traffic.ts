import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { type Connection, connect } from "../../../toolkit/connection.ts";

/** Writers of price_history, each with stocks of its own, and a ledger of what they have committed. */
export interface Traffic {
  /** Transactions so far. */
  done(): number;
  /** Ends after the transaction at hand. @returns the rows that must be there, as "stock date close" */
  stop(): Promise<string[]>;
}

const firstDay = Date.UTC(2024, 0, 1);
// Five months, the last of them written to only now and then.
const days = 150;

/** Starts writers for the stocks 1 to `writers`; any error of theirs comes out of `stop`. */
export async function startTraffic(connection: Connection, writers = 3): Promise<Traffic> {
  const ledgers: Map<string, number>[] = [];
  let [stopping, done] = [false, 0];
  const running: Promise<void>[] = [];
  for (let stock = 1; stock <= writers; stock++) {
    const client = await connect(connection, { applicationName: "traffic" });
    const ledger = new Map<string, number>();
    ledgers.push(ledger);
    running.push(
      write(client, stock, ledger, () => {
        done++;
        return !stopping;
      }).finally(() => client.end()),
    );
  }
  const all = Promise.all(running);
  all.catch(() => {});
  return {
    done: () => done,
    async stop() {
      stopping = true;
      await all;
      const rows = ledgers.flatMap((ledger, index) =>
        [...ledger].map(([date, close]) => `${index + 1} ${date} ${close}`),
      );
      return rows.sort();
    },
  };
}

async function write(client: pg.Client, stock: number, committed: Map<string, number>, next: () => boolean) {
  while (next()) {
    // A pause, for the machine is small and the conversion is to be seen too.
    await sleep(2);
    const ledger = new Map(committed);
    await client.query("begin");
    // What is rolled back must leave nothing.
    let commits = Math.random() < 0.85;
    try {
      for (let left = 1 + random(3); left > 0; left--) await change(client, stock, ledger);
    } catch (error) {
      // A month for which there is no partition (yet), after the exchange; nothing else may go wrong.
      if ((error as { code?: string }).code !== "23514") throw error;
      commits = false;
    }
    await client.query(commits ? "commit" : "rollback");
    if (!commits) continue;
    committed.clear();
    for (const [date, close] of ledger) committed.set(date, close);
  }
}

async function change(client: pg.Client, stock: number, ledger: Map<string, number>): Promise<void> {
  const [date, other, close] = [someDate(), someDate(), random(1000)];
  switch (random(6)) {
    case 0: {
      const { rowCount } = await client.query(
        "insert into price_history (stock_id, date, close) values ($1, $2, $3) on conflict (stock_id, date) do nothing",
        [stock, date, close],
      );
      if (rowCount) ledger.set(date, close);
      return;
    }
    case 1:
      await client.query("delete from price_history where stock_id = $1 and date between $2 and $2::date + 3", [
        stock,
        date,
      ]);
      for (const day of ledger.keys()) if (day >= date && day <= addDays(date, 3)) ledger.delete(day);
      return;
    case 2:
      await client.query("update price_history set close = $3 where stock_id = $1 and date >= $2", [
        stock,
        date,
        close,
      ]);
      for (const day of ledger.keys()) if (day >= date) ledger.set(day, close);
      return;
    // A row moves to another day, mostly of another month.
    case 3: {
      if (!ledger.has(date) || ledger.has(other)) return;
      await client.query("update price_history set date = $3 where stock_id = $1 and date = $2", [stock, date, other]);
      ledger.set(other, ledger.get(date)!);
      ledger.delete(date);
      return;
    }
    default:
      await client.query(
        `insert into price_history (stock_id, date, close) select $1, d, $3 from generate_series($2::date, $2::date + 4, '1 day') d
         on conflict (stock_id, date) do update set close = excluded.close`,
        [stock, date, close],
      );
      for (let day = 0; day < 5; day++) ledger.set(addDays(date, day), close);
  }
}

const random = (below: number) => Math.floor(Math.random() * below);
const someDate = () =>
  new Date(firstDay + random(Math.random() < 0.05 ? days : days - 30) * 86_400_000).toISOString().slice(0, 10);
const addDays = (date: string, more: number) =>
  new Date(Date.parse(date) + more * 86_400_000).toISOString().slice(0, 10);
