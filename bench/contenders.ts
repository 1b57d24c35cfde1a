import type pg from "pg";
import { type Connection, withClient } from "../toolkit/connection.ts";
import { convert } from "../toolkit/convert/convert.ts";
import { readMigrations } from "../toolkit/migrate/files.ts";
import { render } from "../toolkit/migrate/render.ts";
import { say } from "../toolkit/terminal.ts";

/** A way to partition price_history. */
export interface Contender {
  name: string;
  /** Rows of price_history that its way leaves under another name are none of ours to count. */
  run(connection: Connection): Promise<void>;
}

const ours: Contender = {
  name: "toolkit partition",
  async run(connection) {
    await convert(connection, { table: "price_history", say: (line) => say(`    ${line}`) });
  },
};

/** The migration, as node-pg-migrate would run it: the SQL of 0018 in one transaction. */
const naive: Contender = {
  name: "one transaction",
  async run(connection) {
    const migration = (await readMigrations("migrations")).find(({ name }) => name === "0018_price_history_by_month")!;
    const { statements } = await render(migration, "up");
    await withClient(connection, {}, async (client) => {
      await client.query("begin");
      for (const { text } of statements) await client.query(text);
      await client.query("commit");
    });
  },
};

/**
 * pg_partman 4, by its documented steps for partitioning online: a new partitioned table takes the name, the old one
 * becomes its default partition, and partition_data_proc moves its rows month by month, a transaction each. The keys
 * that attaching needs are built beforehand, concurrently.
 * @see https://github.com/pgpartman/pg_partman/blob/v4.7.2/doc/pg_partman_howto_native.md#online-partitioning
 */
const partman: Contender = {
  name: "pg_partman",
  run: (connection) =>
    withClient(connection, {}, async (client) => {
      await client.query("create schema partman; create extension pg_partman schema partman");
      await client.query("create unique index concurrently price_history_new_key on price_history (stock_id, date)");
      await client.query(`
        create table price_history_new (like price_history including defaults) partition by range (date);
        create unique index price_history_parent_key on price_history_new (stock_id, date);
        select partman.create_parent('public.price_history_new', 'date', 'native', 'monthly');
        drop table price_history_new_default`);
      await dropOverlapping(client);
      await exchange(client);
      await client.query(
        "call partman.partition_data_proc('public.price_history', p_batch := 10000, p_wait := 0, p_quiet := true)",
      );
      await client.query("analyze price_history");
    }),
};

/** A default partition may hold no row of another partition's months: those with rows are made when rows are moved. */
async function dropOverlapping(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = 'price_history_new'::regclass
       and substring(pg_get_expr(relpartbound, inhrelid) from 'FROM [(]''([0-9-]+)')::date <= current_date`,
  );
  for (const { name } of rows) await client.query(`drop table ${name}`);
}

async function exchange(client: pg.ClientBase): Promise<void> {
  await client.query(`
    begin;
    lock table price_history in access exclusive mode;
    lock table price_history_new in access exclusive mode;
    alter table price_history rename to price_history_default;
    alter table price_history_new rename to price_history;
    update partman.part_config set parent_table = 'public.price_history', premake = 4 where parent_table = 'public.price_history_new'`);
  const { rows } = await client.query<{ name: string; to: string }>(
    `select inhrelid::regclass::text as name, replace(inhrelid::regclass::text, 'price_history_new', 'price_history') as to
     from pg_inherits where inhparent = 'price_history'::regclass`,
  );
  for (const { name, to } of rows) await client.query(`alter table ${name} rename to ${to}`);
  await client.query("alter table price_history attach partition price_history_default default; commit");
}

/** Who takes part on a server. */
export function contenders(hasPartman: boolean): Contender[] {
  return [ours, naive, ...(hasPartman ? [partman] : [])];
}
