import { spawn } from "node:child_process";
import { once } from "node:events";
import { connectionString } from "../../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

export const olderThan = "2 years";

/** Eight stocks, two years of days with gaps, nulls, one price a month, the widest numbers, and this month's rows. */
export async function filled(): Promise<TestDatabase> {
  const database = await createDatabase({ template: "head" });
  await database.client.query(`
    insert into stocks (symbol, name) select 'S' || n, 'a stock' from generate_series(1, 8) n;
    select ensure_partitions('price_history', '2018-11-01', '2020-10-31');
    insert into price_history
    select s, d::date, case when (s + n) % 7 > 0 then 10 + s + n % 13 / 100.0 end, 12 + s + n % 11 * 0.05, 9 + s,
           11 + s + (n * 37 % 101) / 100.0,
           (11 + s + (n * 37 % 101) / 100.0) * case when s = 7 then 1 else 0.987654 end,
           case when s <> 3 or n % 2 = 0 then n::bigint * 1000003 * s end
    from generate_series(1, 8) s,
         generate_series('2018-11-01'::timestamp, '2020-10-31', '1 day') with ordinality as days(d, n)
    where (s * 31 + n) % 5 > 0 and (s <> 5 or extract(day from d) = 1) and (s <> 6 or n % 2 = 0);
    update price_history set (open, high, low, adjusted_close, volume) = (null, null, null, null, null) where stock_id = 4;
    insert into price_history (stock_id, date, close) select s, current_date, 5 from generate_series(1, 8) s;`);
  return database;
}

/** The widest numbers there are, in a stock's rows of two days. */
export const widest = `
  update price_history set (open, high, low, close, adjusted_close, volume)
    = (999999999999.999999, 999999999999.999999, -999999999999.999999, 0.000001, -999999999999.999999,
       9223372036854775807)
  where stock_id = 2 and date = '2019-03-01';
  update price_history set volume = -9223372036854775808 where stock_id = 2 and date = '2019-03-02'`;

/** Every row as text, so that a price's six decimals count. */
export async function rowsOf(database: TestDatabase, table: string): Promise<string[]> {
  const { rows } = await database.client.query(`select p::text as row from ${table} p order by 1`);
  return rows.map(({ row }) => row);
}

/** Packs or unpacks in a process of its own, which kills itself right after its n-th query was sent. */
export async function runKilledAt(database: TestDatabase, what: "pack" | "unpack", n: number) {
  const code = `
    import pg from "pg";
    import { parseConnectionString } from "./toolkit/connection.ts";
    import { ${what} } from "./toolkit/compress/${what}.ts";
    const query = pg.Client.prototype.query;
    let sent = 0;
    pg.Client.prototype.query = function (...args) {
      const result = query.apply(this, args);
      if (++sent >= ${n}) setTimeout(() => process.kill(process.pid, "SIGKILL"), ${n} % 3 * 10);
      return result;
    };
    await ${what}(parseConnectionString(process.env.DATABASE_URL), { olderThan: "${olderThan}" });`;
  const { NODE_OPTIONS, ...env } = process.env;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", code], {
    env: { ...env, DATABASE_URL: connectionString(database.connection) },
    stdio: "ignore",
  });
  const [status, signal] = await once(child, "close");
  return { code: status as number | null, signal: signal as NodeJS.Signals | null };
}
