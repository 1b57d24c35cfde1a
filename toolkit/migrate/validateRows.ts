import pg from "pg";
import { count } from "../terminal.ts";
import type { Finding } from "./validate.ts";

/** How many rows a table has. */
export interface CountedTable {
  /** Qualified and quoted. */
  table: string;
  rows: number;
  /** False: PostgreSQL's estimate. */
  exact: boolean;
  /** Other than before where the table was rewritten or replaced. */
  storage: string;
}

/** How far counting may go. */
export interface CountLimits {
  /** Tables with more rows, by the estimate, are not counted. */
  rows: number;
  /** Milliseconds for one table, after which the estimate is taken. */
  time: number;
}

// A million narrow rows are counted in about a tenth of a second.
const defaultLimits: CountLimits = { rows: 1_000_000, time: 10_000 };
// PostgreSQL's estimate comes from a sample and from the last VACUUM: it is some per cent off
// (https://www.postgresql.org/docs/current/catalog-pg-class.html, reltuples).
const estimateTolerance = 0.1;

/** Counts the rows of all tables; of a partitioned one, those of its partitions together. */
export async function countTables(client: pg.ClientBase, limits = defaultLimits): Promise<CountedTable[]> {
  // Where nothing is known of a table (-1), a row is taken for 50 bytes: too many rather than too few.
  const { rows } = await client.query(
    `select nspname as schema, relname as name, sum.estimate, sum.storage
     from pg_class c join pg_namespace n on n.oid = relnamespace
     cross join lateral (
       select coalesce(sum(case when p.reltuples < 0 then pg_relation_size(p.oid) / 50 else p.reltuples end), 0)::float8
                as estimate,
              md5(string_agg(p.oid || ':' || p.relfilenode, ',' order by p.oid)) as storage
       from pg_class p
       where p.oid = c.oid or p.oid in (select relid from pg_partition_tree(c.oid) where isleaf)
     ) as sum
     where relkind in ('r', 'p') and not relispartition and relpersistence <> 't'
       and nspname !~ '^pg_' and nspname not in ('information_schema', 'deploy', 'monitoring')
       and (nspname, relname) <> ('public', 'pgmigrations')
     order by 1, 2`,
  );
  const counted: CountedTable[] = [];
  for (const { schema, name, estimate, storage } of rows) {
    const table = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
    const exact = estimate <= limits.rows ? await exactCount(client, table, limits.time) : undefined;
    counted.push({ table, rows: exact ?? estimate, exact: exact !== undefined, storage });
  }
  return counted;
}

/** undefined where it takes too long, or where the user may not read the table. */
async function exactCount(client: pg.ClientBase, table: string, time: number): Promise<number | undefined> {
  await client.query(`begin read only; set local statement_timeout to ${Math.trunc(time)}`);
  try {
    // Of a parent by inheritance only its own rows are its own, but a partitioned table has none of its own.
    const { rows } = await client.query(`select count(*)::float8 as rows from ${table}`);
    return rows[0].rows;
  } catch (error) {
    if (["57014", "42501"].includes((error as { code?: string }).code ?? "")) return undefined;
    throw error;
  } finally {
    await client.query("rollback").catch(() => {});
  }
}

/**
 * Tables that were touched and have fewer rows than before.
 * @param sql the text of all migrations that ran
 */
export function rowFindings(before: readonly CountedTable[], after: readonly CountedTable[], sql: string): Finding[] {
  const now = new Map(after.map((counted) => [counted.table, counted]));
  return before.flatMap((was): Finding[] => {
    const is = now.get(was.table);
    // A table that is gone was dropped or renamed: that is what its migration says.
    if (!is || !(was.storage !== is.storage || mentions(sql, was.table))) return [];
    const exact = was.exact && is.exact;
    const least = exact ? was.rows : was.rows * (1 - estimateTolerance);
    if (is.rows >= least) return [];
    const about = exact ? "" : "about ";
    return [
      {
        check: "fewer-rows",
        fails: true,
        what: `${was.table} has ${about}${count(is.rows)} rows, and had ${about}${count(was.rows)} before`,
        why: "Rows of a table that the migrations touch are gone. The application's own deletes meanwhile count too.",
        fix: "Correct the migration; or, where it is meant to delete them, let it say so: -- accepts fewer-rows: REASON",
      },
    ];
  });
}

/** Whether a text names a table, however it is written. */
export function mentions(sql: string, table: string): boolean {
  const name = table
    .slice(table.lastIndexOf('."') + 2, -1)
    .replaceAll('""', '"')
    .replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\w$])${name}(?![\\w$])`, "i").test(sql);
}
