import type { Connection } from "../connection.ts";
import { createPartition } from "./create.ts";
import { rowsInDefault } from "./defaultRows.ts";
import { emptyDefault } from "./emptyDefault.ts";
import { type Ensured, type EnsureOptions, ensureTable, shortGaps, withoutPolicy } from "./ensure.ts";
import { findMissing } from "./missing.ts";
import { type KnownPolicy, policyOf } from "./policy.ts";
import { type Session, withSession } from "./session.ts";
import { chooseTables, type PartitionedTable, readPartitions } from "./tables.ts";

/**
 * Gives the rows of default partitions partitions of their own, fills gaps, and makes what is missing ahead.
 * @throws UserError where a default partition cannot be emptied
 */
export function repairPartitions(connection: Connection, options: EnsureOptions = {}): Promise<Ensured[]> {
  return withSession(connection, options, async (session) => {
    const done: Ensured[] = [];
    for (const table of await chooseTables(session.client, options.table)) {
      const policy = await policyOf(session.client, table, options.policy);
      if (policy) done.push(await repairTable(session, table, policy, options.dryRun ?? false));
      else done.push({ table: table.sql, created: [], left: withoutPolicy(table) });
    }
    return done;
  });
}

async function repairTable(
  session: Session,
  table: PartitionedTable,
  policy: KnownPolicy,
  dryRun: boolean,
): Promise<Ensured> {
  const { client, say } = session;
  const created: string[] = [];
  if (dryRun) {
    const partitions = await readPartitions(client, table.oid, policy.timeZone);
    for (const each of partitions.filter(({ isDefault }) => isDefault))
      for (const { name, rows } of await rowsInDefault(client, table, each, policy)) {
        say(`${table.sql}: would move ${rows} rows of ${each.sql} to ${name}`);
        created.push(name);
      }
  } else created.push(...(await emptyDefault(session, table, policy)));
  for (const gap of shortGaps(await findMissing(client, table, policy), policy)) {
    if (created.includes(gap.name)) continue;
    if (!dryRun) await createPartition(session, table, gap);
    say(`${table.sql}: ${dryRun ? "would fill" : "filled"} the gap ${gap.name}`);
    created.push(gap.name);
  }
  const ahead = await ensureTable(session, table, policy, dryRun);
  return { ...ahead, created: [...new Set([...created, ...ahead.created])] };
}
