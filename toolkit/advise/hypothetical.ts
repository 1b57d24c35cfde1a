import type pg from "pg";
import { type Candidate, definition } from "./candidates.ts";
import { nodesOf, planOf } from "./measure.ts";
import type { Question } from "./times.ts";

/**
 * Where the live database has hypopg: asks its planner, which knows all rows, which candidates it would use, so that
 * the others need not be built. They exist for this session only, and nothing is written.
 * @returns the candidates that some plan uses; all of them where there is no hypopg
 * @see https://hypopg.readthedocs.io/
 */
export async function likelyCandidates(
  live: pg.ClientBase,
  candidates: readonly Candidate[],
  questions: readonly Question[],
): Promise<{ candidates: Candidate[]; asked: boolean }> {
  const { rows } = await live.query(
    `select quote_ident(n.nspname) as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
     where e.extname = 'hypopg'`,
  );
  const schema = rows[0]?.schema;
  if (!schema) return { candidates: [...candidates], asked: false };
  const used: Candidate[] = [];
  for (const candidate of candidates) {
    try {
      const { rows: made } = await live.query(`select indexname from ${schema}.hypopg_create_index($1)`, [
        `create index on ${definition(candidate)}`,
      ]);
      const asking = questions.filter(({ tables }) => tables.has(candidate.table));
      for (const { statement } of asking) {
        const plan = await planOf(live, statement).catch(() => undefined);
        if (!plan || !nodesOf(plan).some((node) => node["Index Name"] === made[0].indexname)) continue;
        used.push(candidate);
        break;
      }
    } catch {
      // One that hypopg cannot imagine, such as an index of a partitioned table, is built instead.
      used.push(candidate);
    }
    await live.query(`select ${schema}.hypopg_reset()`);
  }
  return { candidates: used, asked: true };
}
