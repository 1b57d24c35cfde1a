import pg from "pg";
import { expirePacked } from "../compress/expire.ts";
import type { Connection } from "../connection.ts";
import { archiveTable, type Format } from "./archive.ts";
import { detachPartition } from "./detach.ts";
import type { EnsureOptions } from "./ensure.ts";
import { type Expired, ensureExpired, findExpired, findUnfinished } from "./expired.ts";
import { besidesLate, type ExpiredMonths, findExpiredMonths, refusePacked } from "./packed.ts";
import { policyOf } from "./policy.ts";
import { type Session, withinLockTimeout, withSession } from "./session.ts";
import { chooseTables, columnsOf, type PartitionedTable } from "./tables.ts";

export interface RetainOptions extends EnsureOptions {
  /** Where archives go. */
  directory?: string;
  /** csv (the default) outlives PostgreSQL's versions; binary is faster. */
  format?: Format;
  /** Only packed months, and what an earlier run has begun. */
  packedOnly?: boolean;
}

/** What became of the expired partitions of one table. */
export interface Retained {
  table: string;
  expired: { name: string; action: Expired["action"]; archive: string | null }[];
}

const defaultDirectory = ".local/archive";

/**
 * Detaches the partitions whose retention is over, and then archives, drops or keeps them in the schema deploy; packed
 * months too. Killed at any point, the next call goes on; nothing is archived and dropped before it was read back.
 */
export function retainPartitions(connection: Connection, options: RetainOptions = {}): Promise<Retained[]> {
  return withSession(connection, options, async (session) => {
    const { client, say } = session;
    if (!options.dryRun) await ensureExpired(client);
    const done: Retained[] = [];
    for (const table of await chooseTables(client, options.table)) {
      const policy = await policyOf(client, table, options.policy);
      if (!policy) continue;
      const { onExpire: action } = policy;
      const expired = besidesLate(table, await findExpired(client, table, policy));
      await refusePacked(client, table, expired);
      if (options.packedOnly) expired.length = 0;
      const packed = await findExpiredMonths(client, table, policy);
      if (options.dryRun) {
        for (const { name } of packed?.months ?? []) say(`${table.sql}: would ${action} ${name}, which is packed`);
        for (const { sql } of expired) say(`${table.sql}: would ${action} ${sql}`);
        const plan = [...(packed?.months ?? []), ...expired].map(({ name }) => ({ name, action, archive: null }));
        done.push({ table: table.sql, expired: plan });
        continue;
      }
      const finished = await finishAll(session, table, options);
      if (packed) finished.push(...(await retainPacked(session, table, packed, action)));
      finished.push(...(await finishAll(session, table, options)));
      for (const each of expired) {
        await client.query(
          `insert into deploy.expired_partition
             (table_schema, table_name, partition_schema, partition_name, partition_oid, from_bound, to_bound, action)
           values ($1, $2, $3, $4, $5, $6, $7, $8)`,
          [table.schema, table.name, each.schema, each.name, each.oid, each.fromBound, each.toBound, policy.onExpire],
        );
        finished.push(...(await finishAll(session, table, options)));
      }
      done.push({ table: table.sql, expired: finished });
    }
    return done;
  });
}

/** Takes packed months away. @returns those that are done with: the others are tables in deploy, to be finished. */
async function retainPacked(
  { connection, say, lockTimeout, patience }: Session,
  table: PartitionedTable,
  { before }: ExpiredMonths,
  action: Expired["action"],
): Promise<Retained["expired"]> {
  const months = await expirePacked(connection, { before, action, say, lockTimeout, patience });
  if (action !== "drop") return [];
  for (const { name } of months) say(`${table.sql}: dropped ${name}, which was packed`);
  return months.map(({ name }) => ({ name, action, archive: null }));
}

async function finishAll(session: Session, table: PartitionedTable, options: RetainOptions) {
  const done: Retained["expired"] = [];
  for (const expired of await findUnfinished(session.client, table))
    done.push(await finishOne(session, table, expired, options));
  return done;
}

/** Brings one expired partition to its end, from wherever an earlier run left it. */
async function finishOne(
  session: Session,
  table: PartitionedTable,
  expired: Expired,
  { directory = defaultDirectory, format = "csv" }: RetainOptions,
): Promise<Retained["expired"][number]> {
  const { client, say } = session;
  const { name, action } = expired;
  let { archive } = expired;
  const sql = await nameOf(client, expired);
  if (sql) {
    await detachPartition(session, table, sql);
    if (action === "archive" && !archive) {
      const described = {
        ...{ schema: table.schema, table: table.name, partition: name, format },
        ...{ fromBound: expired.fromBound, toBound: expired.toBound, columns: await columnsOf(client, expired.oid) },
      };
      archive = await archiveTable(client, sql, described, directory);
      await client.query("update deploy.expired_partition set archive = $2 where id = $1", [expired.id, archive]);
    }
    await withinLockTimeout(session, `${action === "detach" ? "keeping" : "dropping"} ${sql}`, async () => {
      // In the schema that fingerprints leave out: a table that expired is no drift of the schema.
      if (action !== "detach") await client.query(`drop table ${sql}`);
      else if (!sql.startsWith("deploy.")) await client.query(`alter table ${sql} set schema deploy`);
      await client.query("update deploy.expired_partition set finished_at = now() where id = $1", [expired.id]);
    });
  } else await client.query("update deploy.expired_partition set finished_at = now() where id = $1", [expired.id]);
  const to = action === "archive" ? ` to ${archive}` : action === "detach" ? ", kept in the schema deploy" : "";
  say(`${table.sql}: ${{ archive: "archived", detach: "detached", drop: "dropped" }[action]} ${name}${to}`);
  return { name, action, archive };
}

/** The table's name now, by its OID; none when it is gone. */
async function nameOf(client: pg.ClientBase, { oid }: Expired): Promise<string | undefined> {
  const { rows } = await client.query<{ schema: string; name: string }>(
    "select nspname as schema, relname as name from pg_class c join pg_namespace n on n.oid = relnamespace where c.oid = $1",
    [oid],
  );
  if (!rows[0]) return undefined;
  const schema = rows[0].schema === "deploy" ? "deploy" : pg.escapeIdentifier(rows[0].schema);
  return `${schema}.${pg.escapeIdentifier(rows[0].name)}`;
}
