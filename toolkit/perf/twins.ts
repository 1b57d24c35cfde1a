import { median, spread } from "../statistics.ts";
import { type Check, type Row, rowOfFailure, type Session } from "./check.ts";
import { limits } from "./limits.ts";
import { type Pattern, patterns } from "./patterns.ts";
import { rounded, timed } from "./samples.ts";
import { areThere } from "./session.ts";

const [fewestRounds, mostRounds] = [3, 15];

/** Every optimised pattern against its naive twin, in turns, so that both meet the same machine. */
export const twins: Check = {
  name: "patterns",
  title: "Are the optimised patterns faster than their naive twins?",
  needsQueries: true,
  share: 0.15,
  async ask(session, seconds) {
    const rows: Row[] = [];
    for (const pattern of patterns) {
      try {
        rows.push(await compare(session, pattern, seconds / patterns.length));
      } catch (error) {
        rows.push(rowOfFailure(pattern.name, error, session));
      }
    }
    return rows;
  },
};

async function compare({ read, statementTimeout }: Session, pattern: Pattern, seconds: number): Promise<Row> {
  const { name: subject, naively, tables, sample } = pattern;
  const skipped = (said: string): Row => ({ subject, verdict: "skipped", figures: { naively }, said });
  const sampled = (await areThere(read, tables)) ? await read((client) => client.query(sample)) : undefined;
  const values = sampled?.rows[0];
  if (!values) return skipped("There is nothing to ask for.");

  const optimised = await read((client) => pattern.optimised(client, values));
  const naive = await read((client) => pattern.naive(client, values)).catch((error) => {
    if (error.code === "57014") return undefined;
    throw error;
  });
  // A twin that the time limit ends has lost already.
  if (!naive)
    return {
      subject,
      verdict: "passed",
      figures: { naively },
      said: `The naive form did not end within ${statementTimeout} ms.`,
    };
  if (JSON.stringify(naive) !== JSON.stringify(optimised))
    return { subject, verdict: "failed", figures: { naively }, said: "The two give different answers." };

  const times = { naive: [] as number[], optimised: [] as number[] };
  const end = performance.now() + 1000 * seconds;
  while (times.naive.length < fewestRounds || (performance.now() < end && times.naive.length < mostRounds)) {
    for (const form of ["naive", "optimised"] as const)
      times[form].push(await read((client) => timed(() => pattern[form](client, values))));
  }
  return judged(subject, naively, times);
}

function judged(subject: string, naively: string, times: { naive: number[]; optimised: number[] }): Row {
  const [slow, fast] = [median(times.naive), median(times.optimised)];
  const ratio = slow / fast;
  const noise = limits.bandDeviations.value * Math.hypot(spread(times.naive), spread(times.optimised));
  const figures = { naively, naiveMs: rounded(slow), optimisedMs: rounded(fast), ratio: rounded(ratio) };
  if (slow < limits.nothingAtStake.value)
    return { subject, verdict: "skipped", figures, said: "The tables are too small to tell." };
  const loses = ratio * (1 + Math.max(noise, limits.leastBand.value / 100)) < 1;
  return loses
    ? { subject, verdict: "failed", figures, said: "The naive form is faster, by more than the noise." }
    : { subject, verdict: "passed", figures };
}
