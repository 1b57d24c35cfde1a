import type pg from "pg";
import { UserError } from "../errors.ts";
import type { Queryable } from "../queryable.ts";
import { tiers } from "./tiers.ts";

// A snapshot is one row with an array of numbers: a row for each number would take six times the space, most of it for
// the row's header and the index. The view monitoring.metric shows them one by one.
const tables = `
  create schema monitoring;
  create table monitoring.series (
    id int generated always as identity primary key,
    metric text not null,
    object text not null,
    counter boolean not null,
    label text,
    seen_on date not null default current_date,
    unique (metric, object)
  );
  comment on column monitoring.series.counter is 'Only rises, until somebody resets it';
  comment on column monitoring.series.label is 'What the object is called where it is but a number: the text of a statement';
  create table monitoring.policy (
    tier text primary key,
    step interval check (step > interval '0'),
    keep interval not null check (keep > interval '0'),
    partition text not null check (partition in ('day', 'month')),
    rolled_until timestamptz
  );
  comment on column monitoring.policy.rolled_until is 'Until when this tier holds what the finer one has recorded';
  ${tiers
    .map(
      ({ table, step, keep, partition }) => `
  create table monitoring.${table} (
    taken_at timestamptz primary key,
    series int[] not null,
    value float8[] not null,
    most float8[]
  ) partition by range (taken_at);
  comment on column monitoring.${table}.taken_at is 'The end of the time that the numbers are about';
  insert into monitoring.policy (tier, step, keep, partition)
  values ('${table}', ${step ? `'${step}'` : "null"}, '${keep}', '${partition}');`,
    )
    .join("")}
  create view monitoring.metric as
  select t.tier, t.taken_at, s.metric, s.object, u.value, coalesce(u.most, u.value) as most
  from (${tiers
    .map(({ table }) => `select '${table}' as tier, taken_at, series, value, most from monitoring.${table}`)
    .join(" union all ")}) t
  cross join lateral unnest(t.series, t.value, t.most) as u (id, value, most)
  join monitoring.series s on s.id = u.id;`;

/** Whether anything was ever recorded here. */
export async function hasHistory(client: Queryable): Promise<boolean> {
  const { rows } = await client.query("select to_regclass('monitoring.metric') is not null as present");
  return rows[0].present;
}

/**
 * Creates the schema `monitoring` where it is missing. It is no part of the application's schema: migrations, their
 * fingerprint and their validation leave it out.
 * @throws UserError on a replica, which stores nothing, and when the role may not create it, or another schema has its name
 */
export async function ensureHistory(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query(`
    select pg_is_in_recovery() as replica, quote_ident(current_database()) as database,
           quote_ident(current_user) as user`);
  if (rows[0].replica)
    throw new UserError("this server is a replica: it stores no history of its own", {
      fix: "Record on the primary; what it records is replicated.",
    });
  if (await hasHistory(client)) return;
  try {
    // One text, hence one transaction: everything or nothing.
    await client.query(tables);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === "42P06")
      throw new UserError("the schema monitoring is there already, and holds something else", {
        why: "The history of snapshots is kept in a schema of this name.",
        fix: "Give the other one another name: alter schema monitoring rename to …;",
        cause: error,
      });
    if (code !== "42501") throw error;
    throw new UserError("the history of snapshots, schema monitoring, cannot be created", {
      why: message,
      fix: `Grant it: grant create on database ${rows[0].database} to ${rows[0].user};`,
      cause: error,
    });
  }
}

/** @throws UserError where nothing was ever recorded */
export async function requireHistory(client: Queryable): Promise<void> {
  if (!(await hasHistory(client)))
    throw new UserError("nothing was recorded here yet", {
      fix: "Start `toolkit record`, and leave it running; `toolkit record --once` from cron does as well.",
    });
}
