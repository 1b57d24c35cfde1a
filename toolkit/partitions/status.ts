import type pg from "pg";
import type { Answer, Finding, Question } from "../monitor/question.ts";
import { count } from "../terminal.ts";
import { rowsInDefault } from "./defaultRows.ts";
import { withoutPolicy } from "./ensure.ts";
import { findExpired } from "./expired.ts";
import { findMissing, longestGap, runs } from "./missing.ts";
import { besidesLate, findExpiredMonths } from "./packed.ts";
import { type KnownPolicy, type Policy, policyOf } from "./policy.ts";
import { chooseTables, type Partition, type PartitionedTable, readPartitions } from "./tables.ts";

/** How the partitions of one table are. */
export interface TableStatus {
  table: string;
  policy: KnownPolicy | null;
  partitions: number;
  /** Partitions that the policy asks for from now on, and that are missing. */
  missingAhead: number;
  /** The moment from which on rows find no partition, as a local time; null without a policy. */
  coveredUntil: string | null;
  gaps: number;
  /** Rows of the default partition that should have one of their own; null without a default partition. */
  rowsInDefault: number | null;
  expired: number;
}

/** Looks at one table, or at all. Reads only. */
export async function partitionStatus(
  client: pg.ClientBase,
  options: { table?: string | undefined; policy?: Partial<Policy> } = {},
): Promise<Answer<TableStatus>> {
  const answer: Answer<TableStatus> = { rows: [], findings: [] };
  for (const table of await chooseTables(client, options.table)) {
    const policy = await policyOf(client, table, options.policy);
    const { row, findings } = await look(client, table, policy);
    answer.rows.push(row);
    answer.findings.push(...findings);
  }
  return answer;
}

async function look(client: pg.ClientBase, table: PartitionedTable, policy: KnownPolicy | undefined) {
  const partitions = await readPartitions(client, table.oid, policy?.timeZone ?? "UTC");
  const row: TableStatus = {
    ...{ table: table.sql, policy: policy ?? null, partitions: partitions.length, missingAhead: 0 },
    ...{ coveredUntil: null, gaps: 0, rowsInDefault: null, expired: 0 },
  };
  const findings: Finding[] = [];
  const find = (severity: Finding["severity"], what: string, why: string, fix: string) =>
    findings.push({ severity, object: table.sql, what, why, fix });
  for (const { sql } of partitions.filter(({ detachPending }) => detachPending))
    find(
      "warning",
      `Detaching ${sql} was interrupted.`,
      "Queries no longer see its rows, and no other partition can be detached concurrently.",
      `alter table ${table.sql} detach partition ${sql} finalize;`,
    );
  if (!policy) {
    find(
      "notice",
      `The partitions of ${table.sql} are looked after by no policy.`,
      withoutPolicy(table),
      `toolkit partitions policy ${table.sql} --interval month`,
    );
    return { row, findings };
  }
  const missing = await findMissing(client, table, policy);
  const ahead = missing.filter(({ kind }) => kind === "ahead");
  const spare = partitions.find(({ isDefault }) => isDefault);
  row.missingAhead = ahead.length;
  row.coveredUntil = await coveredUntil(client, ahead[0]?.from, partitions);
  if (ahead.length > 0)
    find(
      await severityOf(client, row.coveredUntil),
      `${ahead.length} of ${policy.ahead + 1} partitions from this ${policy.interval} on are missing.`,
      `${spare ? "Rows go to the default partition" : "Inserts fail"} from ${row.coveredUntil} on: upkeep does not run, or fails.`,
      `toolkit partitions ensure ${table.sql}`,
    );
  const gaps = runs(missing.filter(({ kind }) => kind !== "ahead"));
  row.gaps = gaps.length;
  for (const gap of gaps)
    find(
      gap.length <= longestGap[policy.interval] ? "warning" : "notice",
      `No partition from ${gap[0]!.fromBound} to ${gap.at(-1)!.toBound}.`,
      `Rows of ${gap.length === 1 ? `this ${policy.interval}` : `these ${gap.length} ${policy.interval}s`} ${spare ? "go to the default partition" : "are refused"}.`,
      gap.length <= longestGap[policy.interval]
        ? `toolkit partitions repair ${table.sql}`
        : "Nothing, where no rows are expected there.",
    );
  if (spare) {
    const needed = await rowsInDefault(client, table, spare, policy);
    row.rowsInDefault = needed.reduce((sum, { rows }) => sum + rows, 0);
    if (row.rowsInDefault > 0)
      find(
        "warning",
        `The default partition ${spare.sql} has ${count(row.rowsInDefault)} rows of ${needed.length} missing partitions, the first of ${needed[0]!.fromBound}.`,
        "They cannot be left out of a query, nor expire, and no partition can be made for their time.",
        `toolkit partitions repair ${table.sql}`,
      );
  }
  const packed = (await findExpiredMonths(client, table, policy))?.months ?? [];
  row.expired = besidesLate(table, await findExpired(client, table, policy)).length + packed.length;
  if (row.expired > 0)
    find(
      "notice",
      `${row.expired} partitions${packed.length > 0 ? " and packed months" : ""} are older than ${policy.retention}.`,
      `The policy is to ${policy.onExpire} them.`,
      `toolkit partitions retain ${table.sql}`,
    );
  return { row, findings };
}

/** The first moment from now on without a partition: where one is missing, or where the last one ends. */
async function coveredUntil(client: pg.ClientBase, firstMissing: string | undefined, partitions: Partition[]) {
  const last = partitions.filter(({ isDefault, to }) => !isDefault && to !== "infinity").at(-1)?.to ?? null;
  const { rows } = await client.query("select coalesce($1::timestamp, $2::timestamp)::text as moment", [
    firstMissing ?? null,
    last,
  ]);
  return rows[0].moment as string | null;
}

/** A week is what it takes until somebody has read a warning. */
async function severityOf(client: pg.ClientBase, moment: string | null): Promise<Finding["severity"]> {
  const { rows } = await client.query("select $1::timestamp <= now() at time zone 'UTC' + interval '7 days' as soon", [
    moment,
  ]);
  return rows[0].soon ? "critical" : "warning";
}

/** The same as a question of the monitor. */
export const partitionsQuestion: Question<TableStatus, never> = {
  name: "partitions",
  title: "Are partitions there ahead of time, without gaps, and without rows in the default one?",
  thresholds: {},
  ask: (client) => partitionStatus(client as unknown as pg.ClientBase),
};
