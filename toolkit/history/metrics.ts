import type { Snapshot } from "../monitor/snapshot.ts";

/** One number of one moment. */
export interface Sample {
  metric: string;
  /** The table, the statement, the database or the sequence that it is about; empty for the whole server. */
  object: string;
  value: number;
  /** What the object is, where its name is but a number. */
  label?: string;
}

/** What is recorded under a name. */
export interface Metric {
  unit: string;
  /** It only rises, until somebody resets it: what tells is how much, not how far. */
  counter?: boolean;
  /** There is one for each table, statement or sequence: recorded less often. */
  many?: boolean;
  what: string;
}

/** Every metric by name. */
export const metrics: Readonly<Record<string, Metric>> = {
  "connections.used": { unit: "sessions", what: "clients that are connected" },
  "connections.limit": { unit: "sessions", what: "how many may be" },
  "transactions.oldestSeconds": { unit: "seconds", what: "how long the oldest transaction has been open" },
  "locks.waiting": { unit: "sessions", what: "sessions that wait for a lock" },
  "replication.lagBytes": { unit: "bytes", what: "WAL that a replica has not replayed, or that a slot keeps" },
  "replication.lagSeconds": { unit: "seconds", what: "how old what a replica shows is" },
  "transactionIds.age": { unit: "ids", what: "the age of the oldest transaction that is not frozen" },
  "multixactIds.age": { unit: "ids", what: "the age of the oldest multixact" },
  "size.databases": { unit: "bytes", what: "all databases together" },
  "size.database": { unit: "bytes", what: "this database" },
  "wal.bytes": { unit: "bytes", counter: true, what: "write-ahead log" },
  "checkpoints.timed": { unit: "checkpoints", counter: true, what: "checkpoints that came by the clock" },
  "checkpoints.requested": { unit: "checkpoints", counter: true, what: "checkpoints that WAL or somebody asked for" },
  "transactions.committed": { unit: "transactions", counter: true, what: "transactions that were committed" },
  "transactions.rolledBack": { unit: "transactions", counter: true, what: "transactions that were rolled back" },
  "transactions.deadlocks": { unit: "deadlocks", counter: true, what: "deadlocks" },
  "pages.hit": { unit: "pages", counter: true, what: "pages that were in the cache" },
  "pages.read": { unit: "pages", counter: true, what: "pages that were not" },
  "temporary.bytes": { unit: "bytes", counter: true, what: "temporary files" },
  "table.bytes": { unit: "bytes", many: true, what: "a table with its partitions, without indexes" },
  "table.indexBytes": { unit: "bytes", many: true, what: "its indexes" },
  "table.rows": { unit: "rows", many: true, what: "its rows" },
  "table.score": { unit: "points", many: true, what: "its health, of 100" },
  "sequence.usedPercent": { unit: "%", many: true, what: "how far a sequence, or the key that it fills, is used up" },
  "statement.calls": { unit: "calls", counter: true, many: true, what: "calls of a statement" },
  "statement.seconds": { unit: "seconds", counter: true, many: true, what: "the time they took" },
  "findings.critical": { unit: "findings", many: true, what: "what `toolkit check` calls critical" },
  "findings.warning": { unit: "findings", many: true, what: "what it warns of" },
};

interface Source {
  metric: string;
  question: string;
  value: string;
  /** Rows that count; all when left out. */
  only?: (row: Row) => boolean;
  /** The numbers of all rows as one, for the whole server; left out, each is of its own object. */
  together?: (values: number[]) => number;
}

type Row = Record<string, unknown>;

const largest = (values: number[]) => Math.max(0, ...values);
const isDatabase = ({ kind }: Row) => kind === "database";
const isServer = ({ scope }: Row) => scope === "server";
// The largest come first; a database of thousands of tables should not fill its disk with their history.
const mostObjects = 100;

/** Where a snapshot holds the numbers. */
const sources: readonly Source[] = [
  { metric: "connections.used", question: "connections", value: "used", only: isServer },
  { metric: "connections.limit", question: "connections", value: "most", only: isServer },
  {
    ...{ metric: "transactions.oldestSeconds", question: "transactions", value: "transactionSeconds" },
    together: largest,
  },
  { metric: "locks.waiting", question: "locks", value: "pid", only: waits, together: (waiting) => waiting.length },
  { metric: "replication.lagBytes", question: "replication", value: "lagBytes" },
  { metric: "replication.lagSeconds", question: "replication", value: "lagSeconds" },
  { metric: "transactionIds.age", question: "wraparound", value: "transactionAge", only: isDatabase },
  { metric: "multixactIds.age", question: "wraparound", value: "multixactAge", only: isDatabase },
  { metric: "checkpoints.timed", question: "checkpoints", value: "timed" },
  { metric: "checkpoints.requested", question: "checkpoints", value: "requested" },
  { metric: "wal.bytes", question: "checkpoints", value: "walBytes" },
  { metric: "table.bytes", question: "sizes", value: "sizeBytes" },
  { metric: "table.indexBytes", question: "sizes", value: "indexBytes" },
  { metric: "table.rows", question: "sizes", value: "rows" },
  { metric: "table.score", question: "table-health", value: "score" },
  { metric: "sequence.usedPercent", question: "sequences", value: "usedPercent" },
];

function waits({ waitSeconds }: Row): boolean {
  return waitSeconds !== null;
}

/** The questions whose answers hold what is recorded each time, and not only for each table or statement. */
export const quickQuestions = new Set(
  sources.filter(({ metric }) => !metrics[metric]!.many).map(({ question }) => question),
);

/** The numbers of a snapshot that are recorded; of questions that were not asked, or not answered, none. */
export function samplesOf({ answers, findings }: Snapshot, { many }: { many: boolean }): Sample[] {
  const samples = sources.flatMap(({ metric, question, value, only, together }): Sample[] => {
    const answer = answers[question];
    if (!answer || (metrics[metric]!.many && !many)) return [];
    if (answer.unavailable && answer.rows.length === 0) return [];
    const rows = (answer.rows as Row[]).filter((row) => only?.(row) ?? true);
    if (together) return [{ metric, object: "", value: together(rows.map((row) => Number(row[value]))) }];
    return rows
      .filter((row) => typeof row[value] === "number")
      .slice(0, mostObjects)
      .map((row) => ({ metric, object: String(row.object ?? ""), value: row[value] as number }));
  });
  if (!many) return samples;
  for (const severity of ["critical", "warning"] as const)
    samples.push({
      metric: `findings.${severity}`,
      object: "",
      value: findings.filter((finding) => finding.severity === severity).length,
    });
  return samples;
}
