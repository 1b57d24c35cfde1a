import type pg from "pg";
import { UserError } from "../errors.ts";
import { type PartitionedTable, partitionsSql } from "./tables.ts";

export const units = ["month", "week", "day"] as const;
/** How long a partition is. A week begins on Monday. */
export type Unit = (typeof units)[number];

export const expiries = ["detach", "archive", "drop"] as const;
/** What becomes of a partition that is older than the retention. */
export type Expiry = (typeof expiries)[number];

/** How the partitions of one table are looked after. */
export interface Policy {
  interval: Unit;
  /** How many partitions after the present one there have to be. */
  ahead: number;
  /** An interval of PostgreSQL, as "5 years": partitions that ended longer ago expire. Null keeps them for ever. */
  retention: string | null;
  onExpire: Expiry;
  /** Where days begin, for a column of timestamp with time zone. */
  timeZone: string;
}

/** A policy, and where it comes from: inferred from the partitions that are there, or set. */
export type KnownPolicy = Policy & { source: "set" | "inferred" };

/** What holds where nobody said otherwise: upkeep may fail for some weeks before anybody notices a failed insert. */
export const defaultAhead: Record<Unit, number> = { month: 3, week: 8, day: 14 };

/** No partitioned table should have more: planning and locking grow with them (ddl-partitioning, best practices). */
export const mostAhead = 1_000;

/**
 * Creates the table of policies where it is missing. It is in the schema of the toolkit's journals, which schema
 * fingerprints leave out: to change a policy is no drift, as to change a table's comment would be. A table is known by
 * its name, so that a policy outlives a dump, and the exchange of the table by a conversion.
 */
export async function ensurePolicies(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query("select to_regclass('deploy.partition_policy') is not null as present");
  if (rows[0].present) return;
  await client.query(`
    select pg_advisory_xact_lock(hashtextextended('create deploy.partition_policy', 0));
    create schema if not exists deploy;
    create table if not exists deploy.partition_policy (
      table_schema text not null,
      table_name text not null,
      unit text not null check (unit in ('month', 'week', 'day')),
      ahead integer not null check (ahead between 0 and ${mostAhead}),
      retention interval check (retention > '0'),
      on_expire text not null check (on_expire in ('detach', 'archive', 'drop')),
      time_zone text not null,
      primary key (table_schema, table_name)
    )`);
}

/**
 * Finds a table's policy.
 * @param overrides win over what is set or inferred
 * @returns undefined where none is set and the partitions follow no rule
 */
export async function policyOf(
  client: pg.ClientBase,
  table: PartitionedTable,
  overrides: Partial<Policy> = {},
): Promise<KnownPolicy | undefined> {
  const known = (await readPolicy(client, table)) ?? (await inferPolicy(client, table, overrides));
  return known && { ...known, ...overrides };
}

async function readPolicy(client: pg.ClientBase, table: PartitionedTable): Promise<KnownPolicy | undefined> {
  const found = await client.query("select to_regclass('deploy.partition_policy') is not null as present");
  if (!found.rows[0].present) return undefined;
  const { rows } = await client.query<KnownPolicy>(
    `select unit as interval, ahead, retention::text, on_expire as "onExpire", time_zone as "timeZone", 'set' as source
     from deploy.partition_policy where table_schema = $1 and table_name = $2`,
    [table.schema, table.name],
  );
  return rows[0];
}

/** The unit of most partitions that are there; never a retention: what nobody said must not remove anything. */
async function inferPolicy(
  client: pg.ClientBase,
  table: PartitionedTable,
  { interval, timeZone = "UTC" }: Partial<Policy>,
): Promise<KnownPolicy | undefined> {
  const unit = interval ?? (await commonUnit(client, table, timeZone));
  if (!unit) return undefined;
  return {
    ...{ interval: unit, ahead: defaultAhead[unit], retention: null },
    ...{ onExpire: "detach", timeZone, source: "inferred" },
  };
}

async function commonUnit(client: pg.ClientBase, { oid }: PartitionedTable, timeZone: string) {
  const { rows } = await client.query<{ unit: Unit | null }>(
    `select unit from (${partitionsSql}) as partitions
     left join unnest(array['month', 'week', 'day']) as unit
       on from_at = date_trunc(unit, from_at) and to_at = from_at + ('1 ' || unit)::interval
     where not is_default group by unit order by count(*) desc, unit limit 1`,
    [oid, timeZone],
  );
  return rows[0]?.unit ?? undefined;
}

/**
 * Sets a table's policy.
 * @throws UserError for a retention or a time zone that PostgreSQL does not know
 */
export async function setPolicy(client: pg.ClientBase, table: PartitionedTable, policy: Policy): Promise<void> {
  await ensurePolicies(client);
  await checkPolicy(client, policy);
  await client.query(
    `insert into deploy.partition_policy values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (table_schema, table_name) do update
     set (unit, ahead, retention, on_expire, time_zone)
         = (excluded.unit, excluded.ahead, excluded.retention, excluded.on_expire, excluded.time_zone)`,
    [
      ...[table.schema, table.name, policy.interval, policy.ahead],
      ...[policy.retention, policy.onExpire, policy.timeZone],
    ],
  );
}

/** @throws UserError for what PostgreSQL does not know */
export async function checkPolicy(client: pg.ClientBase, { retention, timeZone }: Partial<Policy>): Promise<void> {
  const wrong = (what: string, fix: string, cause: unknown) => new UserError(what, { fix, exitCode: 2, cause });
  if (timeZone !== undefined)
    await client.query("select now() at time zone $1", [timeZone]).catch((error) => {
      throw wrong(`"${timeZone}" is no time zone of this server`, "Name one of pg_timezone_names, as UTC.", error);
    });
  if (typeof retention !== "string") return;
  const fix = 'Write it as "5 years", "18 months" or "90 days".';
  const { rows } = await client.query("select $1::interval > '0' as positive", [retention]).catch((error) => {
    throw wrong(`"${retention}" is no length of time`, fix, error);
  });
  if (!rows[0].positive) throw wrong(`the retention "${retention}" is not above zero`, fix, undefined);
}

/** Forgets a table's policy: from then on it is inferred. */
export async function forgetPolicy(client: pg.ClientBase, table: PartitionedTable): Promise<void> {
  await ensurePolicies(client);
  await client.query("delete from deploy.partition_policy where table_schema = $1 and table_name = $2", [
    table.schema,
    table.name,
  ]);
}
