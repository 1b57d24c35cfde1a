import type pg from "pg";
import { messageOf, UserError } from "../errors.ts";
import { missingSql, nameSql } from "./missing.ts";
import { ensurePolicies } from "./policy.ts";

/** A job of pg_cron. */
export interface Job {
  jobid: string;
  schedule: string;
  command: string;
  active: boolean;
}

export const jobName = "partitions ahead";
/** Daily, at an hour of little work. */
export const defaultSchedule = "17 3 * * *";

/** What a job runs: each table has a transaction of its own, and waits for no lock longer than 200 ms. */
export const jobCommand = "call deploy.create_partitions_ahead()";

/**
 * The procedure that pg_cron calls: what `partitions ensure` does for tables whose policy is set. Retention is not in
 * it, for no procedure can detach concurrently, nor write an archive outside the server.
 */
export const procedureSql = `
  create or replace procedure deploy.create_partitions_ahead()
  language plpgsql as $procedure$
  declare
    managed record;
    missing record;
  begin
    for managed in
      select c.oid, policy.*, a.atttypid as type
      from deploy.partition_policy as policy
      join pg_namespace n on nspname = table_schema
      join pg_class c on c.relnamespace = n.oid and relname = table_name
      join pg_partitioned_table p on partrelid = c.oid
      join pg_attribute a on attrelid = c.oid and attnum = partattrs[0]
    loop
      for missing in execute $query$ ${missingSql}
        select ${nameSql("$5::text")} as name,
               case when $6::oid = 'timestamptz'::regtype then (lower(piece) at time zone $2)::text else lower(piece)::text end as from_bound,
               case when $6::oid = 'timestamptz'::regtype then (upper(piece) at time zone $2)::text else upper(piece)::text end as to_bound
        from pieces where kind = 'ahead' order by start, piece $query$
        using managed.oid, managed.time_zone, managed.unit, managed.ahead, managed.table_name, managed.type
      loop
        perform set_config('lock_timeout', '200ms', true);
        begin
          execute format('create table %I.%I (like %I.%I including all excluding identity)',
                         managed.table_schema, missing.name, managed.table_schema, managed.table_name);
          execute format('alter table %I.%I attach partition %I.%I for values from (%L) to (%L)', managed.table_schema,
                         managed.table_name, managed.table_schema, missing.name, missing.from_bound, missing.to_bound);
        exception when others then
          raise warning 'the partition %.% was not made: %', managed.table_schema, missing.name, sqlerrm;
        end;
      end loop;
    end loop;
  end
  $procedure$`;

/**
 * Lets pg_cron make partitions ahead, or no longer. Each user has jobs of its own: who asks sees, replaces and removes none
 * of another's.
 * @returns what is scheduled afterwards
 * @throws UserError where the extension or a right is missing, or for times that pg_cron does not take
 * @see https://github.com/citusdata/pg_cron
 */
export async function schedule(
  client: pg.ClientBase,
  action: { schedule: string } | "remove" | "show",
): Promise<Job[]> {
  await requireCron(client);
  if (typeof action === "object") {
    await ensurePolicies(client);
    await client.query(procedureSql);
  }
  return asLoginUser(client, async () => {
    if (action === "remove")
      await client.query(
        "select cron.unschedule(jobid) from cron.job where jobname = $1 and database = current_database()",
        [jobName],
      );
    else if (action !== "show")
      await client
        .query("select cron.schedule($1, $2, $3)", [jobName, action.schedule, jobCommand])
        .catch(explainTimes(action.schedule));
    const { rows } = await client.query<Job>(
      `select jobid::text, schedule, command, active from cron.job
       where jobname = $1 and database = current_database() order by jobid`,
      [jobName],
    );
    return rows;
  });
}

/**
 * pg_cron logs in as whoever made a job. A user that becomes another role at login, as a migrator becomes the owner, has
 * to make it as itself: that role may not log in, and the job would fail each time.
 */
async function asLoginUser<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query("set role none");
  try {
    return await work();
  } finally {
    await client.query("reset role");
  }
}

const explainTimes = (times: string) => (error: unknown) => {
  if (!messageOf(error).startsWith("invalid schedule")) throw error;
  throw new UserError(`pg_cron does not understand the times "${times}"`, {
    fix: `Write them as cron does, in GMT, like "${defaultSchedule}".`,
    exitCode: 2,
    cause: error,
  });
};

async function requireCron(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ installed: boolean; available: boolean; permitted: boolean; login: string }>(
    `select exists (select from pg_extension where extname = 'pg_cron') as installed,
            exists (select from pg_available_extensions where name = 'pg_cron') as available,
            coalesce(has_schema_privilege(session_user, to_regnamespace('cron')::oid, 'usage'), false) as permitted,
            quote_ident(session_user) as login`,
  );
  const { installed, available, permitted, login } = rows[0]!;
  if (installed && permitted) return;
  if (installed)
    throw new UserError(`${login} may not use pg_cron`, {
      why: "Its schema, cron, is closed to others than its owner.",
      fix: `As the owner of the extension: grant usage on schema cron to ${login};`,
    });
  throw new UserError("pg_cron is not installed in this database", {
    why: available ? "The server has it, but nobody has created it here." : "This server has no such extension.",
    fix: available
      ? "With pg_cron in shared_preload_libraries and this database in cron.database_name: create extension pg_cron;"
      : "Let the scheduler of the machine call it daily: toolkit partitions ensure.",
  });
}
