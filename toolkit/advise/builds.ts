import pg from "pg";
import { messageOf } from "../errors.ts";
import { progress } from "../terminal.ts";
import { type Candidate, definition } from "./candidates.ts";

type Parts = Pick<Built, "oids">;

/** A candidate that is built on the copy. */
export interface Built {
  candidate: Candidate;
  /** Its name on the copy, with the schema. */
  name: string;
  /** With the indexes of partitions. */
  oids: number[];
  /** On the copy. */
  bytes: number;
}

/** Builds a candidate. @returns why PostgreSQL refuses it, where it does */
export async function build(client: pg.Client, candidate: Candidate, name: string): Promise<Built | string> {
  try {
    await client.query(`create index ${name} on ${definition(candidate)}`);
  } catch (error) {
    return messageOf(error);
  }
  // An index lies in the schema of its table.
  const qualified = `${pg.escapeIdentifier(candidate.table.schema)}.${name}`;
  return { candidate, name: qualified, ...(await readIndex(client, qualified)) };
}

/** An index of the copy, with those of its partitions. */
export async function readIndex(client: pg.Client, name: string): Promise<{ oids: number[]; bytes: number }> {
  const { rows } = await client.query(
    `select array_agg(i.indexrelid::int8::float8) as oids, sum(pg_relation_size(i.indexrelid))::float8 as bytes
     from pg_index i
     where i.indexrelid = to_regclass($1) or i.indexrelid in (select relid from pg_partition_tree(to_regclass($1)))`,
    [name],
  );
  return rows[0];
}

/**
 * Shows the planner some of the built indexes, and hides the others, from writes too: a hidden one is neither read nor
 * kept up. Only on the copy, whose rows never change for good: a hidden index misses what is written meanwhile.
 */
export async function show(client: pg.Client, all: readonly Parts[], shown: Iterable<Parts>): Promise<void> {
  const oids = [...shown].flatMap((each) => each.oids);
  await client.query(
    `update pg_index set indisvalid = indexrelid = any ($2::oid[]), indisready = indexrelid = any ($2::oid[])
     where indexrelid = any ($1::oid[]) and indisvalid <> (indexrelid = any ($2::oid[]))`,
    [all.flatMap((each) => each.oids), oids],
  );
}

/** Builds the candidates, and tells which PostgreSQL refuses, and why: a whole sentence each. */
export async function buildAll(client: pg.Client, candidates: readonly Candidate[]) {
  const [built, refused] = [[] as Built[], new Set<string>()];
  const bar = progress({ title: "building candidates on the copy", total: candidates.length });
  for (const [at, candidate] of candidates.entries()) {
    bar.update(at, candidate.table.name);
    const result = await build(client, candidate, `candidate_${at}`);
    if (typeof result !== "string") built.push(result);
    else {
      const expression = candidate.key.find(({ column }) => column.startsWith("("))?.column;
      if (expression && /IMMUTABLE/.test(result))
        refused.add(
          `no index can serve the condition on ${expression.slice(1, -1)} of ${candidate.table.name}, for its result depends on settings: compare the column itself, as with a range of its own type.`,
        );
      else refused.add(`${definition(candidate)} cannot be built: ${result}`);
    }
  }
  bar.update(candidates.length, "");
  bar.stop();
  return { built, refused: [...refused] };
}
