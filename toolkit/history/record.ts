import type pg from "pg";
import { questions } from "../monitor/questions.ts";
import { snapshot } from "../monitor/snapshot.ts";
import type { Overrides } from "../monitor/thresholds.ts";
import { readCounters, readStatements } from "./counters.ts";
import { metrics, quickQuestions, type Sample, samplesOf } from "./metrics.ts";

/** What was recorded. */
export interface Recorded {
  /** An ISO time in UTC, by the server's clock. */
  takenAt: string;
  numbers: number;
  /** Of the asking and the storing. */
  milliseconds: number;
}

/**
 * Takes a snapshot and stores its numbers.
 * @param client a session that is not in a transaction, in a database with the schema `monitoring`
 * @param options.many also what there is for each table, statement and sequence
 * @param options.calls the calls of each statement at the last record: what was not called since is left out
 */
export async function recordSnapshot(
  client: pg.ClientBase,
  options: { limits?: Overrides; many?: boolean; calls?: Map<string, number> } = {},
): Promise<Recorded> {
  const { limits = {}, many = true, calls = new Map() } = options;
  const started = performance.now();
  const ask = many ? questions : questions.filter(({ name }) => quickQuestions.has(name));
  const samples = samplesOf(await snapshot(client, { limits, ask }), { many });
  samples.push(...(await readCounters(client)));
  if (many) samples.push(...calledSince(await readStatements(client), calls));
  const takenAt = await store(client, samples);
  return { takenAt, numbers: samples.length, milliseconds: Math.round((performance.now() - started) * 10) / 10 };
}

function calledSince(statements: Sample[], calls: Map<string, number>): Sample[] {
  const counted = statements.filter(({ metric }) => metric === "statement.calls");
  const called = new Set(
    counted.filter(({ object, value }) => calls.get(object) !== value).map(({ object }) => object),
  );
  calls.clear();
  for (const { object, value } of counted) calls.set(object, value);
  return statements.filter(({ object }) => called.has(object));
}

/**
 * Stores numbers as those of one moment.
 * @param takenAt when; left out, now by the server's clock
 * @returns when, as an ISO time in UTC
 */
export async function store(client: pg.ClientBase, samples: readonly Sample[], takenAt?: Date): Promise<string> {
  const distinct = [...new Map(samples.map((sample) => [`${sample.metric} ${sample.object}`, sample])).values()];
  const given = distinct.filter(({ value }) => Number.isFinite(value));
  // Looked up before it is inserted: a conflict would use up a number of the series each time.
  const { rows } = await client.query<{ at: string }>(
    `with given as (
       select * from unnest($2::text[], $3::text[], $4::boolean[], $5::text[], $6::float8[])
                     as g (metric, object, counter, label, value)
     ),
     made as (
       insert into monitoring.series (metric, object, counter, label)
       select metric, object, counter, label from given g
       where not exists (select from monitoring.series s where (s.metric, s.object) = (g.metric, g.object))
       returning id, metric, object
     ),
     seen as (
       update monitoring.series s set seen_on = current_date from given g
       where (s.metric, s.object) = (g.metric, g.object) and s.seen_on < current_date
     ),
     numbered as (
       select s.id, g.value from given g join monitoring.series s using (metric, object)
       union all
       select made.id, g.value from given g join made using (metric, object)
     )
     insert into monitoring.sample (taken_at, series, value)
     select coalesce($1, clock_timestamp()), array_agg(id order by id), array_agg(value order by id) from numbered
     returning to_char(taken_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at`,
    [
      takenAt ?? null,
      given.map(({ metric }) => metric),
      given.map(({ object }) => object),
      given.map(({ metric }) => metrics[metric]!.counter ?? false),
      given.map(({ label }) => label ?? null),
      given.map(({ value }) => value),
    ],
  );
  return rows[0]!.at;
}
