import { limits } from "../perf/limits.ts";
import { median, spread } from "../statistics.ts";
import type { Question, Runs, Times } from "./times.ts";

/**
 * Milliseconds of all calls of the workload without an index and with it, beside the other advised ones. Measured on the
 * copy; what reads a table that was thinned out counts as much more as the table is bigger.
 */
export interface Comparison {
  without: number;
  with: number;
  /** By how much the difference of the two may be off by chance. */
  noise: number;
}

// In doubt a statement is measured again, so many times at most.
const mostRounds = 5;
const [fewestRuns, ofMedian] = [3, Math.sqrt(Math.PI / 2)];

/**
 * Compares the workload with and without an index by repeated runs of the statements whose plan it changes. As long as
 * the noise does not tell whether the difference is above `atStake`, they are measured again, in turns, so that both
 * meet the same machine.
 * @param show shows the index, or hides it
 * @param atStake milliseconds that the difference has to be above or below, given those of the workload with the index
 */
export async function compare(
  times: Times,
  questions: readonly Question[],
  show: (isThere: boolean) => Promise<void>,
  atStake: (withIt: number) => number,
): Promise<Comparison> {
  let doubtful = new Set<Question>();
  for (let round = 1; ; round++) {
    const sides: Runs[][] = [];
    for (const isThere of [true, false]) {
      await show(isThere);
      const side: Runs[] = [];
      for (const question of questions) side.push(await times.runs(question, doubtful.has(question)));
      sides.push(side);
    }
    const [withIt, without] = sides as [Runs[], Runs[]];
    const differ = questions.flatMap((_, at) => (withIt[at]!.key === without[at]!.key ? [] : [at]));
    const found = {
      without: total(without),
      with: total(withIt),
      noise: noiseOf(differ.flatMap((at) => [withIt[at]!, without[at]!])),
    };
    const isClear = Math.abs(found.without - found.with - atStake(found.with)) > found.noise;
    if (isClear || differ.length === 0 || round === mostRounds) return found;
    doubtful = new Set(differ.map((at) => questions[at]!));
  }
}

const total = (runs: readonly Runs[]) => runs.reduce((sum, { ms }) => sum + median(ms), 0);

/** Three deviations of a sum of medians. */
function noiseOf(runs: readonly Runs[]): number {
  return limits.bandDeviations.value * Math.hypot(...runs.map(({ ms }) => deviationOf(ms)));
}

/**
 * By how much the median of some runs may be off: their deviation, by the root of their number. Where they are too few to
 * tell, that of two runs of one thing.
 * @see https://en.wikipedia.org/wiki/Median#Asymptotic_variance
 */
export function deviationOf(ms: readonly number[]): number {
  if (ms.length < fewestRuns) return (median(ms) * limits.leastBand.value) / 100 / limits.bandDeviations.value;
  return (ofMedian * median(ms) * spread(ms)) / Math.sqrt(ms.length);
}
