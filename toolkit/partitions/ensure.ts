import type { Connection } from "../connection.ts";
import { count } from "../terminal.ts";
import { createPartition } from "./create.ts";
import { rowsInDefault } from "./defaultRows.ts";
import { findMissing, longestGap, type Missing, runs } from "./missing.ts";
import { type KnownPolicy, type Policy, policyOf } from "./policy.ts";
import { type PartitionOptions, type Session, withSession } from "./session.ts";
import { chooseTables, type PartitionedTable, readPartitions } from "./tables.ts";

export interface EnsureOptions extends PartitionOptions {
  /** One table; left out, all of the database. */
  table?: string | undefined;
  /** Wins over the policy that is set or inferred. */
  policy?: Partial<Policy>;
  /** Only tells what would be done. */
  dryRun?: boolean;
}

/** What was made for one table. */
export interface Ensured {
  table: string;
  created: string[];
  /** Why something was not made that is missing: a whole sentence. */
  left?: string;
}

// To attach a partition, PostgreSQL reads the whole default partition under a lock: at 1 GB/s this takes some 10 ms.
const smallDefault = 8 * 1024 * 1024;

/** Makes the partitions that policies ask for ahead, and those that upkeep has missed since the last one. */
export function ensurePartitions(connection: Connection, options: EnsureOptions = {}): Promise<Ensured[]> {
  return withSession(connection, options, async (session) => {
    const done: Ensured[] = [];
    for (const table of await chooseTables(session.client, options.table)) {
      const policy = await policyOf(session.client, table, options.policy);
      if (policy) done.push(await ensureTable(session, table, policy, options.dryRun));
      else done.push({ table: table.sql, created: [], left: withoutPolicy(table) });
    }
    return done;
  });
}

/** What to say of a table whose partitions follow no rule. */
export function withoutPolicy({ sql }: PartitionedTable): string {
  return `No policy is set for ${sql}, and its partitions follow no rule that could be one: toolkit partitions policy ${sql} --interval month.`;
}

/** Makes what is missing ahead of one table. */
export async function ensureTable(
  session: Session,
  table: PartitionedTable,
  policy: KnownPolicy,
  dryRun = false,
): Promise<Ensured> {
  const { client, say } = session;
  const missing = (await findMissing(client, table, policy)).filter(({ kind }) => kind !== "gap");
  const wanted = withoutLongRuns(missing, policy);
  const full = wanted.length > 0 ? await fullDefault(session, table, policy) : undefined;
  if (full) return { table: table.sql, created: [], left: full };
  for (const each of wanted) {
    if (!dryRun) await createPartition(session, table, each);
    say(`${table.sql}: ${dryRun ? "would make" : "made"} the partition ${each.name}, from ${each.fromBound}`);
  }
  return { table: table.sql, created: wanted.map(({ name }) => name) };
}

/** Leaves out what lies behind, where that is longer than what upkeep may have missed. */
function withoutLongRuns(missing: Missing[], { interval }: Policy): Missing[] {
  const behind = missing.filter(({ kind }) => kind === "behind");
  return behind.length > longestGap[interval] ? missing.filter(({ kind }) => kind === "ahead") : missing;
}

/** Consecutive gaps that are short enough to be filled. */
export function shortGaps(missing: Missing[], { interval }: Policy): Missing[] {
  return runs(missing.filter(({ kind }) => kind === "gap"))
    .filter((run) => run.length <= longestGap[interval])
    .flat();
}

/** Says why nothing can be attached, where the default partition is too large to be read under a lock. */
async function fullDefault(session: Session, table: PartitionedTable, policy: Policy): Promise<string | undefined> {
  const partitions = await readPartitions(session.client, table.oid, policy.timeZone);
  const found = partitions.find(({ isDefault }) => isDefault);
  if (!found) return undefined;
  const { rows } = await session.client.query(
    `select pg_relation_size($1::oid)::float8 as bytes, exists (select from ${found.sql}) as filled`,
    [found.oid],
  );
  if (!rows[0].filled) return undefined;
  const missing = await findMissing(session.client, table, policy);
  const inTheWay = (await rowsInDefault(session.client, table, found, policy)).filter(({ name }) =>
    missing.some((each) => each.kind !== "gap" && each.name === name),
  );
  if (inTheWay.length === 0 && rows[0].bytes <= smallDefault) return undefined;
  const reason = inTheWay.length > 0 ? "has rows of the partitions to be made" : `has ${count(rows[0].bytes)} bytes`;
  return `The default partition ${found.sql} ${reason}: toolkit partitions repair ${table.sql}.`;
}
