import { type Connection, connect } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { progress } from "../terminal.ts";
import { buildAll, show } from "./builds.ts";
import { type Candidate, candidatesFor, definition } from "./candidates.ts";
import type { Table } from "./catalog.ts";
import type { Comparison } from "./comparison.ts";
import { type Copy, copySample } from "./copy.ts";
import { extrapolate, type Measurements, type StatementTimes } from "./extrapolate.ts";
import { readHistory, writeHistory } from "./history.ts";
import { likelyCandidates } from "./hypothetical.ts";
import { heldOutError } from "./model.ts";
import { indexNames } from "./names.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { type ProvenDrop, prove, proveDrops } from "./proof.ts";
import { search } from "./search.ts";
import { copyTimeout, type Question, Times } from "./times.ts";
import type { Statement } from "./workload.ts";
import type { WriteCost } from "./writeCost.ts";

export interface AdviseOptions {
  /** Rows of each table that are copied at most. */
  samples: number;
  /** Bytes that the new indexes may have together, in the database; without it half of what the tables have. */
  budget?: number;
  /** Where measurements are kept from run to run; nowhere if left out. */
  history?: string;
  /** Milliseconds that the search may take. */
  time?: number;
}

export interface AdvisedIndex {
  name: string;
  schema: string;
  /** With its schema, quoted where it has to be. */
  table: string;
  /** What comes after `on` in CREATE INDEX. */
  definition: string;
  /** On the sample, and extrapolated to the whole table. */
  bytes: { sample: number; whole: number };
  workload: Comparison;
  insert: WriteCost;
}

export interface Advice {
  takenAt: string;
  /** The versions of the database's server and of that of the copy. */
  servers: { database: string; copy: string };
  tables: { name: string; rows: number; sampled: number }[];
  indexes: AdvisedIndex[];
  drops: ProvenDrop[];
  statements: StatementTimes[];
  skipped: Prepared["skipped"];
  /** What a person should look at: conditions that no index can serve, objects that the copy lacks. */
  notes: string[];
  model: { examples: number; statements: number; errorFactor: number | undefined };
  /** How many were built on the copy; and whether hypopg has sorted out others before. */
  candidates: number;
  hypopg: boolean;
}

// Reading a sample of a table's pages takes seconds; one that takes longer is in the way.
const liveTimeout = 120_000;
const defaultSearchTime = 120_000;
const uniqueViolation = "23505";

/**
 * Looks for the indexes that serve a workload, and proves them on a copy: builds them there and measures the statements
 * with and without. Also tells which existing ones are superfluous. The database is only read.
 * @throws UserError when no statement of the workload can be measured
 */
export async function advise(
  connection: Connection,
  workload: readonly Statement[],
  options: AdviseOptions,
): Promise<Advice> {
  const live = await connect(connection, { applicationName: "advise", statementTimeout: liveTimeout });
  let copy: Copy | undefined;
  try {
    await live.query("set default_transaction_read_only = on");
    const prepared = await prepare(live, workload);
    if (prepared.questions.length === 0)
      throw new UserError("no statement of the workload reads a table of this database", {
        why: prepared.skipped.map(({ text, why }) => `${firstLine(text)}: ${why}`).join("; ") || "It is empty.",
        fix: "Record the workload of an application of this database.",
      });
    copy = await copySample(live, prepared.tables, options.samples);
    const { rows } = await live.query("show server_version");
    const { rows: ours } = await copy.client.query("show server_version");
    const likely = await likelyCandidates(live, candidatesFor(prepared.accesses), prepared.questions);
    const found = await onCopy(copy, prepared, likely.candidates, options);
    return {
      ...{ takenAt: new Date().toISOString() },
      servers: { database: rows[0].server_version, copy: ours[0].server_version },
      ...found,
      hypopg: likely.asked,
    };
  } finally {
    await live.end().catch(() => {});
    await copy?.stop();
  }
}

async function onCopy(copy: Copy, prepared: Prepared, candidates: readonly Candidate[], options: AdviseOptions) {
  const { client } = copy;
  await client.query(`set statement_timeout = ${copyTimeout}`);
  const thinning = thinningOf(copy, prepared.tables);
  const times = new Times(client, { thinning, history: options.history ? await readHistory(options.history) : [] });
  const { questions, before, inserts } = await measureAll(times, prepared);
  const { built, refused } = await buildAll(client, candidates);
  await show(client, built, built);
  for (const question of questions) await times.measure(question);
  times.learn();
  const bar = progress({ title: "searching", total: built.length });
  const chosen = await search(times, questions, built, {
    ...{ bar, thinning, tables: prepared.tables },
    budget: options.budget ?? prepared.tables.reduce((sum, { bytes }) => sum + bytes, 0) / 2,
    time: options.time ?? defaultSearchTime,
  });
  bar.stop();

  // What was not chosen goes for good: it would still be counted among the indexes that an update has to look at.
  for (const each of built) if (!chosen.includes(each)) await client.query(`drop index ${each.name}`);
  const proven = await prove(times, questions, chosen, inserts);
  const all = proven.map(({ index }) => index);
  await show(client, all, all);
  const after: Measurements = new Map();
  for (const question of questions) after.set(question, await times.measure(question));
  const drops = await proveDrops(times, questions, prepared.tables, all);
  const statements = await extrapolate(copy, times, questions, { before, after, all });
  if (options.history) await writeHistory(options.history, times.examples);

  const names = indexNames(all.map(({ candidate }) => candidate));
  const indexes = proven.map(({ index, workload, insert }, at): AdvisedIndex => {
    const { table } = index.candidate;
    const whole = index.bytes * (thinning.get(table.relname) ?? 1);
    return {
      ...{ name: names[at]!, schema: table.schema, table: table.name, definition: definition(index.candidate) },
      ...{ bytes: { sample: index.bytes, whole }, workload, insert },
    };
  });
  const tables = prepared.tables.filter(({ kind }) => kind !== "v");
  return {
    tables: tables.map(({ name, rows }) => {
      const sampled = copy.rows.get(name) ?? 0;
      return { name, rows: Math.max(rows, sampled), sampled };
    }),
    ...{ indexes, drops, statements, skipped: prepared.skipped, candidates: built.length },
    notes: [...copy.notes, ...refused],
    model: {
      examples: times.examples.length,
      statements: new Set(times.examples.map(({ statement }) => statement)).size,
      errorFactor: heldOutError(times.examples),
    },
  };
}

/** By how much the copy's tables, and their partitions, are smaller, by unqualified name as plans have it. */
function thinningOf({ rows: copied }: Copy, tables: readonly Table[]): Map<string, number> {
  return new Map(
    tables.flatMap(({ relname, name, rows, partitions }) => {
      const factor = Math.max(rows / Math.max(copied.get(name) ?? 1, 1), 1);
      return [relname, ...partitions.map((partition) => partition.relname)].map((each) => [each, factor] as const);
    }),
  );
}

/** Every statement as things stand; those that do not run are left out, but inserts of rows that the copy has count. */
async function measureAll(times: Times, prepared: Prepared) {
  const bar = progress({ title: "measuring the statements", total: prepared.questions.length });
  const [questions, before] = [[] as Question[], new Map() as Measurements];
  const inserts = new Map<Table, number>();
  for (const [at, question] of prepared.questions.entries()) {
    bar.update(at, "");
    const { text, calls } = question.statement;
    try {
      before.set(question, await times.measure(question));
      questions.push(question);
    } catch (error) {
      const taken = (error as { code?: string }).code === uniqueViolation;
      if (taken && question.inserts) inserts.set(question.inserts, (inserts.get(question.inserts) ?? 0) + calls);
      const why =
        taken && question.inserts ? "its rows are there already; it counts by what a row costs" : messageOf(error);
      prepared.skipped.push({ text, why: `on the copy: ${why}` });
    }
  }
  bar.stop();
  if (questions.length === 0)
    throw new UserError("no statement of the workload runs on a copy of its tables", {
      why: prepared.skipped.map(({ text, why }) => `${firstLine(text)}: ${why}`).join("; "),
      fix: "Record statements with their values, of tables without types of extensions.",
    });
  times.learn();
  return { questions, before, inserts };
}

/** The beginning of a statement on one line. */
export function firstLine(text: string, length = 60): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}
