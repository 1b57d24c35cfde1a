import { refreshViews } from "../analysis/views.ts";
import { listBackups, pruneBackups } from "../backup/backups.ts";
import { backupsToGo } from "../backup/prune.ts";
import { findNewPartitions } from "../cache/newPartitions.ts";
import { watchTables } from "../cache/watch.ts";
import { pack } from "../compress/pack.ts";
import { pruneHistory } from "../history/prune.ts";
import { hasHistory } from "../history/schema.ts";
import { bytes, things } from "../monitor/texts.ts";
import { ensurePartitions } from "../partitions/ensure.ts";
import { retainPartitions } from "../partitions/retain.ts";
import { summaryStaleness } from "../partitions/staleness.ts";
import type { Look, Step } from "./step.ts";
import { runYielding } from "./yielding.ts";

/** Partitions that are missing ahead of time. */
export async function missingPartitions({ session }: Look): Promise<Step[]> {
  const { connection, say } = session;
  const tables = await ensurePartitions(connection, { dryRun: true });
  return tables
    .filter(({ created }) => created.length > 0)
    .map(({ table, created }) => ({
      object: table,
      why: `${things(created.length, "partition is", "partitions are")} missing ahead: ${created.join(", ")}`,
      ...{ does: `toolkit partitions ensure ${table}`, costBytes: 0 },
      async run() {
        const [done] = await ensurePartitions(connection, { table, say });
        return done?.left ? { result: "skipped", note: done.left } : { result: "done" };
      },
    }));
}

const notHere = "an archive would not last here: run toolkit partitions retain where it does";

/** Partitions whose retention is over, of tables for which somebody has set one. */
export async function expiredPartitions({ session, choices }: Look): Promise<Step[]> {
  const { connection, say } = session;
  const tables = await retainPartitions(connection, { dryRun: true });
  return tables
    .filter(({ expired }) => expired.length > 0)
    .map(({ table, expired }) => ({
      object: table,
      why: `older than its policy keeps them (${expired[0]!.action}): ${expired.map(({ name }) => name).join(", ")}`,
      ...{ does: `toolkit partitions retain ${table}`, costBytes: null },
      async run() {
        const { archive } = choices;
        if (archive === false && expired.some(({ action }) => action === "archive"))
          return { result: "skipped", note: notHere };
        await retainPartitions(connection, { table, say, ...(archive && { directory: archive }) });
        return { result: "done" };
      },
    }));
}

/** The summaries of prices, where prices changed since they were brought up to date. */
export async function staleSummaries({ database, session }: Look): Promise<Step[]> {
  const summaries = await summaryStaleness(session.worker);
  const waiting = Math.max(0, ...summaries.map((summary) => summary.waiting));
  const never = summaries.filter(({ refreshedAt }) => refreshedAt === null).map(({ name }) => name);
  if (waiting === 0 && never.length === 0) return [];
  const prices = (await database.tables()).filter(({ name }) => /^public\.price_history/.test(name));
  return [
    {
      object: summaries.map(({ name }) => name).join(", "),
      why:
        waiting > 0
          ? `${things(waiting, "change")} of prices ${waiting === 1 ? "is" : "are"} not in them yet`
          : `never brought up to date: ${never.join(", ")}`,
      does: summaries.map(({ name }) => `select refresh_${name}();`).join(" "),
      costBytes: prices.reduce((sum, { pages }) => sum + Math.max(pages, 0), 0) * database.server.pageBytes,
      run: (session) => runYielding(session, "refresh the summaries", () => refreshViews(session.worker)),
    },
  ];
}

/** Half-years of prices that are old enough to be packed, where the caller asks for it. */
export async function unpackedPrices({ session, choices }: Look): Promise<Step[]> {
  const { packOlderThan: olderThan } = choices;
  if (olderThan === undefined) return [];
  const { connection, say } = session;
  const { periods, cutoff } = await pack(connection, { olderThan, dryRun: true });
  if (periods.length === 0) return [];
  return [
    {
      object: "price_history",
      why: `${things(periods.length, "half-year")} before ${cutoff} ${periods.length === 1 ? "is" : "are"} not packed`,
      ...{ does: `toolkit compress pack --older-than '${olderThan}'`, costBytes: null },
      async run() {
        await pack(connection, { olderThan, say });
        return { result: "done" };
      },
    },
  ];
}

/** Days of the monitoring history that are older than its policy keeps them. */
export async function oldHistory({ session }: Look): Promise<Step[]> {
  const { worker } = session;
  if (!(await hasHistory(worker))) return [];
  const { dropped } = await pruneHistory(worker, {}, { dryRun: true });
  if (dropped.length === 0) return [];
  return [
    {
      object: "monitoring",
      why: `older than its policy keeps them: ${dropped.join(", ")}`,
      ...{ does: "roll up, then drop these partitions", costBytes: null },
      async run() {
        const { left } = await pruneHistory(worker);
        return left.length > 0 ? { result: "skipped", note: `in use: ${left.join(", ")}` } : { result: "done" };
      },
    },
  ];
}

/** Backups beyond what the caller or the stack keeps; none where neither says it. */
export async function oldBackups({ session, choices }: Look): Promise<Step[]> {
  const { backup, kept } = choices;
  if (!kept) return [];
  const { count, days } = kept;
  const gone = backupsToGo(await listBackups(backup), { count, days });
  return gone.length === 0
    ? []
    : [
        {
          object: backup.kind === "rds" ? backup.instanceIdentifier : backup.directory,
          why: `not to be kept: ${gone.map(({ id }) => id).join(", ")}, ${bytes(gone.reduce((sum, one) => sum + one.bytes, 0))}`,
          ...{ does: `toolkit backups prune --count ${count} --days ${days}`, costBytes: 0 },
          async run() {
            await pruneBackups(backup, { count, days, say: session.say });
            return { result: "done" };
          },
        },
      ];
}

/** Partitions of watched tables that do not announce their changes: their table's results are not cached meanwhile. */
export async function unwatchedPartitions({ session }: Look): Promise<Step[]> {
  const found = await findNewPartitions(session.worker);
  return found.map(({ name, unwatched }) => ({
    object: name,
    why: `${things(unwatched, "partition does", "partitions do")} not announce changes, and the table is not cached`,
    ...{ does: `toolkit cache watch ${name}`, costBytes: 0 },
    async run() {
      await watchTables(session.worker, [name]);
      return { result: "done" };
    },
  }));
}
