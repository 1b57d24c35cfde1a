import { things } from "../monitor/texts.ts";
import type { Queryable } from "../queryable.ts";
import { median } from "../statistics.ts";
import { type Deploy, readDeploys } from "./deploys.ts";
import { chanceOfLarger, standing } from "./rankTest.ts";
import { increases, readSeries, type Series } from "./read.ts";
import { requireHistory } from "./schema.ts";
import { day } from "./times.ts";

/** A statement that is slower since a deploy. Times of calls in milliseconds. */
export interface Regression {
  deploy: Deploy;
  /** Its numbers in pg_stat_statements: a table that was made anew gives the same statement another. */
  queryIds: string[];
  query: string;
  callsBefore: number;
  callsAfter: number;
  /** The median over the minutes before, and after. */
  before: number;
  after: number;
  times: number;
  /** That this comes by chance. */
  chance: number;
  /** What all calls after took longer together, in seconds. */
  lostSeconds: number;
}

/** What was compared, and what was found. */
export interface Comparison {
  deploys: Deploy[];
  /** How many statements had enough calls on both sides of a deploy. */
  compared: number;
  regressions: Regression[];
}

/** What counts as slower. */
export const rules = {
  calls: { value: 30, why: "The mean of a few calls is that of their arguments." },
  minutes: { value: 8, why: "The fewest on each side for which the test by ranks holds." },
  times: { value: 1.3, why: "A third more is seen by users; less comes and goes with the load." },
  milliseconds: { value: 0.05, why: "Below it the clock and the cache decide." },
  falseShare: { value: 0.01, why: "Of a hundred that are told, one may be by chance." },
} as const;

// Caches are cold, and plans are made anew, right after a deploy; a day has every hour, on both sides.
const [settling, window] = [2 * 60_000, day];

/**
 * Compares each statement before and after each deploy: the mean time of a call, minute by minute.
 * @throws UserError where nothing was recorded, or the journal may not be read
 */
export async function findRegressions(client: Queryable, since: number): Promise<Comparison> {
  await requireHistory(client);
  const deploys = await readDeploys(client, since);
  const found: Comparison = { deploys, compared: 0, regressions: [] };
  for (const [index, deploy] of deploys.entries()) {
    const from = Math.max(deploy.startedAt - window, (deploys[index - 1]?.finishedAt ?? 0) + settling);
    const until = Math.min(deploy.finishedAt + window, deploys[index + 1]?.startedAt ?? Number.POSITIVE_INFINITY);
    const series = await readSeries(client, { metrics: ["statement.calls", "statement.seconds"], since: from, until });
    const compared = byText(series).flatMap((statement) => compare(statement, deploy));
    const stands = standing(
      compared.map(({ chance }) => chance),
      rules.falseShare.value,
    );
    found.compared += compared.length;
    found.regressions.push(
      ...compared
        .filter(
          ({ times, before, after }, n) =>
            stands[n] && times >= rules.times.value && after - before >= rules.milliseconds.value,
        )
        .toSorted((one, other) => other.lostSeconds - one.lostSeconds),
    );
  }
  return found;
}

interface Statement {
  query: string;
  ids: string[];
  /** What was called between two records. */
  spans: { from: number; to: number; calls: number; milliseconds: number }[];
}

/** One for each text: the number hangs on the tables' own numbers until PostgreSQL 17, and a deploy may change these. */
function byText(series: readonly Series[]): Statement[] {
  const groups = Map.groupBy(
    series.filter(({ metric }) => metric === "statement.calls"),
    ({ label, object }) => label || object,
  );
  return [...groups].map(([query, counted]) => ({
    query,
    ids: counted.map(({ object }) => object),
    spans: counted.flatMap(({ object, points }) => {
      const timed = series.find((other) => other.metric === "statement.seconds" && other.object === object);
      const seconds = increases(timed?.points ?? []);
      return increases(points).flatMap(({ from, to, amount }, index) => {
        const taken = seconds[index];
        return amount > 0 && taken?.to === to ? [{ from, to, calls: amount, milliseconds: taken.amount * 1000 }] : [];
      });
    }),
  }));
}

function compare({ query, ids, spans }: Statement, deploy: Deploy): Regression[] {
  const earlier = spans.filter(({ to }) => to <= deploy.startedAt);
  const later = spans.filter(({ from }) => from >= deploy.finishedAt + settling);
  const calls = (those: typeof spans) => those.reduce((sum, span) => sum + span.calls, 0);
  const means = (those: typeof spans) => those.map((span) => span.milliseconds / span.calls);
  const enough = (those: typeof spans) => those.length >= rules.minutes.value && calls(those) >= rules.calls.value;
  if (!enough(earlier) || !enough(later)) return [];
  const [before, after] = [median(means(earlier)), median(means(later))];
  return [
    {
      ...{ deploy, queryIds: ids, query, before, after },
      ...{ callsBefore: calls(earlier), callsAfter: calls(later), times: before > 0 ? after / before : 1 },
      chance: chanceOfLarger(means(earlier), means(later)),
      lostSeconds: ((after - before) * calls(later)) / 1000,
    },
  ];
}

/** A deploy, as people call it. */
export function nameOf({ migrations, undone, finishedAt }: Deploy): string {
  const [first, ...others] = migrations;
  const more = others.length > 0 ? ` and ${things(others.length, "other")}` : "";
  const when = new Date(finishedAt).toISOString().slice(0, 16).replace("T", " ");
  return `${undone ? "undoing " : ""}${first}${more} at ${when} UTC`;
}
