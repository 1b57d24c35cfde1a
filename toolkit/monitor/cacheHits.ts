import { question } from "./question.ts";
import { pghero } from "./sources.ts";
import { families } from "./tables.ts";
import { bytes, percent, share } from "./texts.ts";

interface Row {
  object: string;
  kind: "database" | "table" | "indexes";
  hitPercent: number;
  readPages: number;
}

/** Of the pages that were asked for, how many were in PostgreSQL's own cache; the system's cache is not seen. */
export const cacheHits = question<Row, "hitPercent" | "leastPages">({
  name: "cache-hits",
  title: "How much is read from memory?",
  thresholds: {
    hitPercent: {
      value: 99,
      unit: "%",
      why: "A transactional workload whose hot data fits in memory finds 99 of 100 pages there; PgHero warns below it too.",
      source: `${pghero}/blob/master/lib/pghero/database.rb`,
    },
    leastPages: {
      value: 100_000,
      unit: "pages",
      why: "Below some 800 MB of pages a ratio tells of the start of the server, and not of its work.",
      source: "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-DATABASE-VIEW",
    },
  },
  async ask(database, limits) {
    const { rows: databases } = await database.query<{ asked: number; hit: number }>(`
      select (blks_hit + blks_read)::float8 as asked, blks_hit::float8 as hit
      from pg_stat_database where datname = current_database()`);
    const indexesOf = Map.groupBy(await database.indexes(), ({ table }) => table);
    const { asked, hit } = databases[0]!;
    const all = [rowOf(database.server.database, "database", [{ pagesAsked: asked, pagesHit: hit }])];
    for (const { table, members } of families(await database.tables())) {
      const indexes = members.flatMap(({ oid }) => indexesOf.get(oid) ?? []);
      all.push(rowOf(table.name, "table", members), rowOf(table.name, "indexes", indexes));
    }
    const cold = all.filter(({ asked, hitPercent }) => asked >= limits.leastPages && hitPercent < limits.hitPercent);
    return {
      rows: all.filter(({ asked }) => asked > 0).map(({ asked: _, ...figures }) => figures),
      findings: cold.map(({ object, kind, hitPercent, readPages }) => ({
        severity: kind === "database" ? "warning" : "notice",
        object,
        what: `Only ${percent(hitPercent)} of the pages of ${kind === "indexes" ? `the indexes of ${object}` : object} came from the cache; ${bytes(readPages * database.server.pageBytes)} were read into it.`,
        why: "A page that is not in shared_buffers costs a copy from the system's cache, or a read from the disk.",
        fix:
          kind === "database"
            ? "Look at `toolkit check slow-queries` for what reads most; then raise shared_buffers (a quarter of memory), or the memory."
            : "Give the statements that scan it an index, or read fewer rows: `toolkit check slow-queries index-usage`.",
      })),
    };
  },
});

function rowOf(object: string, kind: Row["kind"], parts: { pagesAsked: number; pagesHit: number }[]) {
  const asked = parts.reduce((sum, { pagesAsked }) => sum + pagesAsked, 0);
  const hit = parts.reduce((sum, { pagesHit }) => sum + pagesHit, 0);
  return { object, kind, asked, hitPercent: asked > 0 ? share(hit, asked) : 100, readPages: asked - hit };
}
