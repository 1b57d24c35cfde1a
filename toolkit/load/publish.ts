import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { inTransaction } from "../partitions/session.ts";
import { say } from "../terminal.ts";
import type { Target } from "./target.ts";

/** Prices that somebody else has stored since a load did: theirs count, for they came later. */
export interface Displaced {
  rows: number;
  /** Of these, those that got a value which they lacked. */
  updated: number;
}

interface Publication {
  month: string;
  /** As a partition; otherwise row by row. */
  attach: boolean;
  note: (displaced: Displaced) => Promise<void>;
}

// Whoever writes to stocks waits behind us, at most so long; in all a minute of attempts.
const [lockTimeout, pause, mostAttempts] = ["2s", 500, 24];

/** The table of a month that is not published yet, as SQL names it. */
export function newMonth(month: string): string {
  return `deploy.load_${month.replace("-", "_")}`;
}

/** The months that loads have filled and not published. */
export async function leftMonths(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ month: string }>(`
    select replace(substr(relname, 6), '_', '-') as month from pg_class
    where relnamespace = to_regnamespace('deploy') and relkind = 'r' and relname ~ '^load_\\d{4}_\\d\\d$'
      and pg_has_role(relowner, 'USAGE')
    order by 1`);
  return rows.map(({ month }) => month);
}

/**
 * Lets everybody see a month, in one transaction. The lock on price_history keeps neither readers nor writers waiting;
 * writers of stocks wait while the foreign key is checked, some tens of milliseconds.
 * @throws the server's error when a lock is not had in a minute
 */
export async function publishMonth(client: pg.Client, target: Target, publication: Publication): Promise<void> {
  let { attach } = publication;
  for (let attempt = 1; ; attempt++) {
    try {
      await inTransaction(client, () => publish(client, target, { ...publication, attach }));
      return;
    } catch (error) {
      const { code = "" } = error as pg.DatabaseError;
      if (attempt === mostAttempts) throw error;
      if (code === "55P03") await sleep(pause);
      else if (code === "23503") await forgetDeletedStocks(client, publication.month);
      // The table has changed since the month was filled: row by row everything is looked at anew.
      else if (attach && code.startsWith("42") && code !== "42501") attach = false;
      else throw error;
    }
  }
}

async function publish(client: pg.Client, target: Target, { month, attach, note }: Publication): Promise<void> {
  await client.query(`set local lock_timeout = '${lockTimeout}'`);
  const first = `${month}-01`;
  await client.query("lock table only price_history in share update exclusive mode");
  const { rows } = await client.query<{ covered: boolean; next: string }>(
    `select exists (select from partition_bounds('price_history') b
                    where b.from_date < $1::date + interval '1 month' and b.to_date > $1::date) as covered,
            ($1::date + interval '1 month')::date::text as next`,
    [first],
  );
  const { covered, next } = rows[0]!;
  if (attach && !covered) return attachMonth(client, target, month, `from ('${first}') to ('${next}')`);
  if (!covered) await client.query("select ensure_partitions('price_history', $1, $1)", [first]);
  const displaced = await insertMonth(client, month);
  if (displaced.rows > 0) await note(displaced);
}

/**
 * The first price of each day goes in by way of price_history, for its triggers: they note which days have changed, and
 * tell caches that something has.
 */
async function attachMonth(client: pg.Client, { schema }: Target, month: string, bounds: string): Promise<void> {
  const table = newMonth(month);
  const name = `price_history_${month.replace("-", "_")}`;
  await client.query(`
    create temporary table load_days (like price_history) on commit drop;
    with moved as (delete from ${table} where ctid in (select min(ctid) from ${table} group by date) returning *)
    insert into load_days select * from moved;
    alter table ${table} rename to ${name};
    comment on table deploy.${name} is null;
    alter table deploy.${name} set schema ${schema};
    ${(await defaultGrants(client, schema)).map((privileges) => privileges.replace("$table", `${schema}.${name}`)).join("")}
    alter table price_history attach partition ${schema}.${name} for values ${bounds};
    insert into price_history select * from load_days;`);
}

/** What a table made in this schema would have been granted: one that moves there is granted nothing by itself. */
async function defaultGrants(client: pg.Client, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ sql: string }>(
    `select format('grant %s on $table to %s%s;', privilege_type,
                   case a.grantee when 0 then 'public' else a.grantee::regrole::text end,
                   case when is_grantable then ' with grant option' else '' end) as sql
     from pg_default_acl, aclexplode(defaclacl) a
     where defaclobjtype = 'r' and defaclnamespace = $1::regnamespace
       and defaclrole = (select oid from pg_roles where rolname = current_user)`,
    [schema],
  );
  return rows.map(({ sql }) => sql);
}

/** Inserts a month's rows, where a partition has come into being meanwhile; a value that is there already stays. */
async function insertMonth(client: pg.Client, month: string): Promise<Displaced> {
  const table = newMonth(month);
  const { rows: columns } = await client.query<{ name: string }>(
    `select quote_ident(p.attname) as name
     from pg_attribute p join pg_attribute n on n.attname = p.attname and n.attrelid = $1::regclass
     where p.attrelid = 'price_history'::regclass and p.attnum > 0 and p.attname not in ('stock_id', 'date')
       and not p.attisdropped and not n.attisdropped and p.attgenerated = ''`,
    [table],
  );
  const names = columns.map(({ name }) => name);
  const { rows } = await client.query<{ all: number; there: number }>(
    `select count(*)::int as "all", count(p.stock_id)::int as there
     from ${table} n
     left join price_history p on p.stock_id = n.stock_id and p.date = n.date and p.date >= $1::date
       and p.date < $1::date + interval '1 month'`,
    [`${month}-01`],
  );
  const { rowCount } = await client.query(
    `insert into price_history (stock_id, date, ${names.join(", ")})
     select stock_id, date, ${names.join(", ")} from ${table} order by stock_id, date
     on conflict (stock_id, date) do update
     set ${names.map((name) => `${name} = coalesce(price_history.${name}, excluded.${name})`).join(", ")}
     where ${names.map((name) => `price_history.${name} is null and excluded.${name} is not null`).join(" or ")}`,
  );
  await client.query(`drop table ${table}`);
  const { all, there } = rows[0]!;
  return { rows: there, updated: Math.max(rowCount! - (all - there), 0) };
}

/** No visible price referred to these stocks while they were deleted. */
async function forgetDeletedStocks(client: pg.Client, month: string): Promise<void> {
  const { rowCount } = await client.query(
    `delete from ${newMonth(month)} n where not exists (select from stocks s where s.id = n.stock_id)`,
  );
  say(`${month}: ${rowCount} prices are left out, for their stocks were deleted while they were loaded`);
}
