import type { Progress } from "../terminal.ts";
import { type Built, show } from "./builds.ts";
import type { Table } from "./catalog.ts";
import type { Question, Times } from "./times.ts";

export interface SearchOptions {
  /** All tables of the workload. */
  tables: readonly Table[];
  /** Bytes that the indexes may have together, in the database. */
  budget: number;
  /** Milliseconds after which no more candidates are tried. */
  time: number;
  /** By how much a table was thinned out, by its unqualified name: what reads it takes so much longer there. */
  thinning: Map<string, number>;
  bar: Progress;
}

// The price of bytes: indexes as big as all tables must save a fiftieth of the workload's time.
const priceOfAllBytes = 0.02;
// Less than this share of the workload's time is within what measurements differ by.
const leastShare = 0.002;

/**
 * Chooses among built indexes: the one that saves most, then the one that saves most beside it, and so on. The model
 * ranks them; the first of each ranking is measured before it is taken. A saving is tried again only when it would be
 * the best, for it can only have become smaller meanwhile.
 */
export async function search(
  times: Times,
  questions: readonly Question[],
  built: readonly Built[],
  options: SearchOptions,
): Promise<Built[]> {
  const started = Date.now();
  const tableBytes = options.tables.reduce((sum, { bytes }) => sum + bytes, 1);
  const bytesOf = ({ bytes, candidate }: Built) => bytes * (options.thinning.get(candidate.table.relname) ?? 1);
  const chosen: Built[] = [];
  await show(times.client, built, chosen);
  const now = new Map<Question, number>();
  for (const question of questions) now.set(question, await times.total(question, true));
  let whole = total(now);

  const evaluate = async (each: Built, exactly: boolean) => {
    await show(times.client, built, [...chosen, each]);
    const after = new Map<Question, number>();
    for (const question of questions)
      if (question.tables.has(each.candidate.table)) after.set(question, await times.total(question, exactly));
    const gain = [...after].reduce((sum, [question, ms]) => sum + now.get(question)! - ms, 0);
    return {
      each,
      after,
      gain,
      score: gain - priceOfAllBytes * whole * (bytesOf(each) / tableBytes),
      round: chosen.length,
    };
  };

  let ranking = [];
  for (const [at, each] of built.entries()) {
    options.bar.update(at, each.candidate.table.name);
    // The other half is for measuring the best of them.
    if (Date.now() - started > options.time / 2) break;
    ranking.push({ ...(await evaluate(each, false)), round: -1 });
  }
  while (ranking.length > 0 && Date.now() - started < options.time) {
    ranking.sort((a, b) => b.score - a.score);
    const [best] = ranking as [(typeof ranking)[number]];
    if (best.score <= 0) break;
    const spent = chosen.reduce((sum, each) => sum + bytesOf(each), 0);
    if (spent + bytesOf(best.each) > options.budget) ranking = ranking.slice(1);
    else if (best.round !== chosen.length) ranking[0] = await evaluate(best.each, true);
    else if (best.gain < leastShare * whole) ranking = ranking.slice(1);
    else {
      chosen.push(best.each);
      for (const [question, ms] of best.after) now.set(question, ms);
      whole = total(now);
      ranking = ranking.slice(1);
      options.bar.update(built.length, `${chosen.length} chosen`);
      times.learn();
    }
  }
  return chosen;
}

const total = (now: Map<Question, number>) => [...now.values()].reduce((sum, ms) => sum + ms, 0);
