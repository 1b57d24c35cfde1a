import { type Built, readIndex, show } from "./builds.ts";
import type { Table } from "./catalog.ts";
import { type Redundant, redundantIndexes } from "./redundant.ts";
import type { Question, Times } from "./times.ts";
import { type WriteCost, writeCost } from "./writeCost.ts";

/**
 * Milliseconds of all calls of the workload without an index and with it, beside the other advised ones. Measured on the
 * copy; what reads a table that was thinned out counts as much more as the table is bigger.
 */
export interface Comparison {
  without: number;
  with: number;
}

export interface Proven {
  index: Built;
  workload: Comparison;
  insert: WriteCost;
}

/** An index that the workload does not miss. */
export type ProvenDrop = Redundant & { workload: Comparison };

async function total(times: Times, questions: readonly Question[]): Promise<number> {
  let sum = 0;
  for (const question of questions) sum += await times.total(question, true);
  return sum;
}

/**
 * Takes each index away in turn: those that the workload then misses, by more than writing them costs it, are proven.
 * The others go.
 * @param inserts rows that the workload adds beside its statements that were measured
 */
export async function prove(
  times: Times,
  questions: readonly Question[],
  chosen: readonly Built[],
  inserts: Map<Table, number>,
): Promise<Proven[]> {
  const { client } = times;
  let left = [...chosen];
  const proven = new Map<Built, Proven>();
  for (const index of [...chosen].reverse()) {
    const others = left.filter((other) => other !== index);
    await show(client, chosen, left);
    const withIt = await total(times, questions);
    await show(client, chosen, others);
    const without = await total(times, questions);
    const { table } = index.candidate;
    const insert = await writeCost(client, table, (isThere) => show(client, chosen, isThere ? left : others));
    const written = ((inserts.get(table) ?? 0) * Math.max(insert.with - insert.without, 0)) / 1_000;
    if (without - withIt > written) proven.set(index, { index, workload: { without, with: withIt }, insert });
    else left = others;
  }
  for (const each of chosen) if (!proven.has(each)) await client.query(`drop index ${each.name}`);
  times.learn();
  return left.map((index) => proven.get(index)!);
}

// The most by which the workload may become slower for an index to be superfluous: what measurements differ by.
const noise = 1.03;

/** Hides each superfluous index: those that the workload does not miss are proven. */
export async function proveDrops(
  times: Times,
  questions: readonly Question[],
  tables: readonly Table[],
  added: readonly Built[],
): Promise<ProvenDrop[]> {
  const { client } = times;
  const definitions = [];
  for (const { name, candidate } of added) {
    const { rows } = await client.query("select pg_get_indexdef(to_regclass($1)) as definition", [name]);
    definitions.push({ table: candidate.table.name, name, definition: rows[0].definition as string });
  }
  const drops: ProvenDrop[] = [];
  for (const redundant of redundantIndexes(tables, definitions)) {
    const index = await readIndex(client, redundant.name);
    // One that could not be copied is not there.
    if (!index.oids) continue;
    const withIt = await total(times, questions);
    await show(client, [index], []);
    const without = await total(times, questions);
    if (without <= withIt * noise) drops.push({ ...redundant, workload: { without, with: withIt } });
    else await show(client, [index], [index]);
  }
  return drops;
}
