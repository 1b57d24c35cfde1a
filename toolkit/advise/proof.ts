import { type Built, readIndex, show } from "./builds.ts";
import type { Table } from "./catalog.ts";
import { type Comparison, compare } from "./comparison.ts";
import { type Redundant, redundantIndexes } from "./redundant.ts";
import type { Question, Times } from "./times.ts";
import { type WriteCost, writeCost } from "./writeCost.ts";

export interface Proven {
  index: Built;
  workload: Comparison;
  insert: WriteCost;
}

/** An index that the workload does not miss. */
export type ProvenDrop = Redundant & { workload: Comparison };

/**
 * Takes each index away in turn: those that the workload then misses, by more than writing them costs it and beyond the
 * noise, are proven. The others go.
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
    const showIt = (isThere: boolean) => show(client, chosen, isThere ? left : others);
    const { table } = index.candidate;
    const insert = await writeCost(client, table, showIt);
    const written = ((inserts.get(table) ?? 0) * Math.max(insert.with - insert.without, 0)) / 1_000;
    const workload = await compare(times, questions, showIt, () => written);
    if (workload.without - workload.with - written > workload.noise) proven.set(index, { index, workload, insert });
    else left = others;
  }
  for (const each of chosen) if (!proven.has(each)) await client.query(`drop index ${each.name}`);
  times.learn();
  return left.map((index) => proven.get(index)!);
}

// The most by which the workload may become slower for an index to be superfluous, as a share of its time.
const tolerance = 0.03;

/** Hides each superfluous index: those that the workload does not miss, with the noise against it, are proven. */
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
    const showIt = (isThere: boolean) => show(client, [index], isThere ? [index] : []);
    const workload = await compare(times, questions, showIt, (withIt) => tolerance * withIt);
    const isMissed = workload.without - workload.with + workload.noise > tolerance * workload.with;
    await showIt(isMissed);
    if (!isMissed) drops.push({ ...redundant, workload });
  }
  return drops;
}
