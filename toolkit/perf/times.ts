import { type Statement, statementOf } from "../queries/query.ts";
import { median } from "../statistics.ts";
import { compareRuns } from "./baseline.ts";
import { type Check, type Row, rowOfFailure, type Session } from "./check.ts";
import { rounded, timed } from "./samples.ts";

const [fewestRounds, mostRounds, repeats] = [5, 15, 3];

// Work that depends on nothing but the machine and its state at this moment, a few milliseconds long.
const reference = "select sum(i) from generate_series(1, 20000) as i";

/**
 * How long every query takes, against a reference statement that is timed in the same moment: what the machine does
 * otherwise, and to some degree which machine it is, cancel out. Compared with a baseline where one is given.
 */
export const times: Check = {
  name: "times",
  title: "How long do the queries take, against the baseline?",
  needsQueries: true,
  share: 0.3,
  async ask(session, seconds) {
    const { queries } = session;
    const rows: Row[] = [];
    for (const { query, options } of queries) {
      try {
        const measured = await measure(session, statementOf(query, options), seconds / queries.length);
        rows.push(judged(query.name, measured, session));
      } catch (error) {
        rows.push(rowOfFailure(query.name, error, session));
      }
    }
    return rows;
  },
};

interface Times {
  milliseconds: number[];
  /** Each in multiples of the reference of its round. */
  relative: number[];
}

async function measure({ read, pooled }: Session, { name, text, values }: Statement, seconds: number): Promise<Times> {
  // A pooler that gives each transaction another session does not know what was prepared in the one before.
  const statement = pooled ? { text, values } : { name, text, values };
  // After five executions PostgreSQL settles on a plan: before that nothing is measured.
  for (let n = 0; n < 6; n++) await read((client) => client.query(statement));
  const found: Times = { milliseconds: [], relative: [] };
  const end = performance.now() + 1000 * seconds;
  while (found.relative.length < fewestRounds || (performance.now() < end && found.relative.length < mostRounds)) {
    const [unit, time] = await read(async (client) => [
      await fastest(() => client.query(reference)),
      await fastest(() => client.query(statement)),
    ]);
    found.milliseconds.push(time);
    found.relative.push(rounded(time / unit, 4));
  }
  return found;
}

/** The fastest of a few runs: an interruption can only make one slower. */
async function fastest(work: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let n = 0; n < repeats; n++) best = Math.min(best, await timed(work));
  return best;
}

function judged(subject: string, { milliseconds, relative }: Times, { baseline, pooled }: Session): Row {
  const figures = { medianMs: rounded(median(milliseconds), 3), relative };
  if (!baseline) return { subject, verdict: "passed", figures };
  if (baseline.pooled !== pooled)
    return {
      ...{ subject, verdict: "skipped", figures },
      said: `The baseline was measured ${pooled ? "without" : "through"} a connection pooler.`,
    };
  const before = baseline.times.get(subject);
  if (!before) return { subject, verdict: "skipped", figures, said: "The baseline does not have it." };
  const { ratio, band, change } = compareRuns(before, relative);
  return {
    subject,
    verdict: change === "slower" ? "failed" : "passed",
    figures: { ...figures, ratio: rounded(ratio), bandPercent: rounded(100 * band, 0), change },
    ...(change === "slower"
      ? {
          said: `It takes ${rounded(ratio)} times as long as in the baseline; the noise explains ${rounded(1 + band)}.`,
        }
      : {}),
  };
}
