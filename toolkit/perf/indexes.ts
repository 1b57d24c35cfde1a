import { statementOf } from "../queries/query.ts";
import type { Check, Row, Session } from "./check.ts";
import { limits } from "./limits.ts";
import { planModes, readPlan, unusedIndexes } from "./plans.ts";

/** Whether indexes are valid, and whether those that the queries rely on exist and are used by them. */
export const indexes: Check = {
  name: "indexes",
  title: "Do the indexes exist, are they valid, and are they used?",
  needsQueries: false,
  share: 0,
  async ask(session) {
    return [await validity(session), ...(await relied(session))];
  },
};

/** All indexes of the database; one that somebody builds right now is not yet wrong. */
async function validity({ read }: Session): Promise<Row> {
  const { rows } = await read((client) =>
    client.query<{ all: number; invalid: string[] }>(`
    select count(*)::int as all,
           coalesce(array_agg(format('%I.%I', nspname, c.relname) order by nspname, c.relname)
             filter (where not (indisvalid and indisready) and not exists (
               select from pg_stat_progress_create_index p
               where p.index_relid = indexrelid or p.relid = indrelid and p.datname = current_database())), '{}') as invalid
    from pg_index
    join pg_class c on c.oid = indexrelid
    join pg_namespace n on n.oid = relnamespace
    where nspname <> 'information_schema' and nspname !~ '^pg_'`),
  );
  const { all, invalid } = rows[0]!;
  return {
    subject: "all indexes of the database",
    verdict: invalid.length > 0 ? "failed" : "passed",
    figures: { indexes: all, invalid: invalid.length },
    ...(invalid.length > 0 ? { said: `Not valid, or not complete: ${invalid.join(", ")}.` } : {}),
  };
}

/** The indexes that queries name in what they expect of their plans, each with the queries that do without it. */
async function relied(session: Session): Promise<Row[]> {
  const { read, queries } = session;
  const doWithout = new Map<string, string[]>();
  for (const { query, options } of queries) {
    for (const index of query.expectation.indexes) doWithout.set(index, doWithout.get(index) ?? []);
    const statement = statementOf(query, options);
    for (const mode of planModes) {
      const plan = await readPlan(read, statement, mode).catch((error) => {
        // The check of plans tells of a query that takes too long, or that this role may not ask.
        if (["57014", "42501"].includes(error.code)) return undefined;
        throw error;
      });
      for (const index of plan ? unusedIndexes(plan, query.expectation) : [])
        doWithout.set(index, [...new Set([...doWithout.get(index)!, query.name])]);
    }
  }
  const { rows } = await read((client) =>
    client.query<{ name: string; valid: boolean | null; blocks: number }>(
      `select name, indisvalid and indisready as valid,
            (select coalesce(max(pg_relation_size(relid)), 0) / current_setting('block_size')::int
             from (select relid from pg_partition_tree(indrelid) where isleaf
                   union select indrelid::regclass) as leaves)::int as blocks
     from unnest($1::text[]) as name left join pg_index on indexrelid = to_regclass(quote_ident(name)) order by name`,
      [[...doWithout.keys()]],
    ),
  );
  return rows.map((row) => judged(row, doWithout.get(row.name)!));
}

function judged(found: { name: string; valid: boolean | null; blocks: number }, without: string[]): Row {
  const row = { subject: found.name, figures: { largestBlocks: found.blocks } };
  if (found.valid === null) return { subject: found.name, verdict: "failed", figures: {}, said: "It does not exist." };
  if (!found.valid) return { ...row, verdict: "failed", said: "It is not valid, or lacks partitions." };
  if (without.length === 0) return { ...row, verdict: "passed" };
  if (found.blocks <= limits.tinyTable.value)
    return { ...row, verdict: "skipped", said: "Its table is too small for an index to be worth while." };
  return { ...row, verdict: "failed", said: `It is not used by ${without.join(", ")}.` };
}
