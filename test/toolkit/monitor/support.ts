import { setTimeout as wait } from "node:timers/promises";
import type pg from "pg";
import { logsOf } from "../../../toolkit/monitor/plans/logs.ts";
import type { Finding } from "../../../toolkit/monitor/question.ts";
import { allQuestions } from "../../../toolkit/monitor/questions.ts";
import { snapshot } from "../../../toolkit/monitor/snapshot.ts";
import type { Overrides } from "../../../toolkit/monitor/thresholds.ts";

const deadline = 10_000;
const pause = 20;

/** Asks one question; limits by full name. Counters of this session are written out first. */
export async function ask(client: pg.Client, name: string, limits: Overrides = {}) {
  await client.query("select pg_stat_force_next_flush()");
  const asked = allQuestions.filter((question) => question.name === name);
  const { answers } = await snapshot(client, { limits, ask: asked, logs: logsOf(undefined) });
  return answers[name]!;
}

/** The findings about an object. */
export function about(object: string, { findings }: { findings: Finding[] }): Finding[] {
  return findings.filter((finding) => finding.object === object);
}

/** Looks until it is so; a state that another session reaches has no event to wait for. */
export async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (const end = Date.now() + deadline; Date.now() < end; await wait(pause)) {
    const seen = await look();
    if (seen) return seen;
  }
  throw new Error(`it did not come to that in ${deadline} ms: ${look}`);
}

/** Waits until some sessions of a database wait for locks. */
export function untilWaiting(client: pg.Client, sessions: number): Promise<boolean> {
  return until(async () => {
    const { rowCount } = await client.query(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    return rowCount === sessions;
  });
}
