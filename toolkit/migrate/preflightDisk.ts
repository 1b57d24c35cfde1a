import { statfs } from "node:fs/promises";
import type pg from "pg";
import { type Connection, isLoopback } from "../connection.ts";
import { count } from "../terminal.ts";
import type { PreflightFinding } from "./preflight.ts";
import { withoutLeadingComments } from "./render.ts";
import { mentions } from "./validateRows.ts";

/** How much of the disk a migration may leave. */
export interface DiskLimits {
  /** Share of the disk that must stay free beside the estimate; below it is a warning, without the estimate a stop. */
  spare: number;
}

/**
 * What kinds of statements write beside what is there: as a share of the tables that they name, with their indexes.
 * Rewriting keeps the old files until the commit: https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
 * An index is built beside a sorted copy of its columns: https://www.postgresql.org/docs/current/sql-createindex.html
 */
const writes: readonly { statement: RegExp; share: number }[] = [
  { statement: /^(vacuum\s*(\(\s*)?full|cluster)\b/i, share: 1 },
  { statement: /\balter\s+table\b[\s\S]*\b(set\s+data\s+)?type\b/i, share: 1 },
  { statement: /\binsert\s+into\b[\s\S]*\bselect\b/i, share: 1 },
  { statement: /\bcreate\s+(materialized\s+view|table)\b[\s\S]*\bas\b/i, share: 1 },
  { statement: /\bupdate\b[\s\S]*\bset\b/i, share: 1 },
  { statement: /\b(create\s+(unique\s+)?index|reindex|primary\s+key|\bunique)\b/i, share: 0.5 },
];

/** Compares the free space of the server's disk with what the statements will write. */
export async function diskFindings(
  client: pg.ClientBase,
  connection: Connection,
  statements: readonly string[],
  { spare }: DiskLimits,
  say: (line: string) => void,
): Promise<PreflightFinding[]> {
  const disk = await diskOf(client, connection);
  if (!disk) {
    say("free disk space is not known: the server's data folder is not to be seen from here");
    return [];
  }
  const needed = await estimate(client, statements);
  const name = "free disk";
  const MB = 1024 ** 2;
  const told = {
    why: `The migrations write about ${count(needed / MB)} MB, for a table that is rewritten is there twice until the end.`,
    fix: "Free some space, or enlarge the disk: npm run runbook -- disk-nearly-full",
  };
  if (disk.free < needed + Math.min(spare * disk.size, 64 * MB))
    return [{ name, stops: true, what: `the server's disk has ${count(disk.free / MB)} MB free`, ...told }];
  if (disk.free - needed < spare * disk.size)
    return [
      {
        name,
        stops: false,
        what: `the server's disk will be nearly full: ${count(disk.free / MB)} MB are free`,
        ...told,
      },
    ];
  return [];
}

/** The disk of the data folder, in bytes; undefined where the folder is not on this machine, or not ours to know. */
export async function diskOf(
  client: pg.ClientBase,
  { host }: Connection,
): Promise<{ free: number; size: number } | undefined> {
  if (!isLoopback(host)) return undefined;
  const { rows } = await client.query(
    `select case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory') end as folder`,
  );
  if (!rows[0].folder) return undefined;
  try {
    const { bavail, blocks, bsize } = await statfs(rows[0].folder);
    return { free: Number(bavail) * Number(bsize), size: Number(blocks) * Number(bsize) };
  } catch {
    // A loopback may lead into a container, whose folders are its own.
    return undefined;
  }
}

/** Bytes that statements write, at most. */
async function estimate(client: pg.ClientBase, statements: readonly string[]): Promise<number> {
  const { rows } = await client.query(
    `select format('"%s"."%s"', replace(nspname, '"', '""'), replace(relname, '"', '""')) as table,
            (select coalesce(sum(pg_total_relation_size(p)), 0) from (
               select relid as p from pg_partition_tree(c.oid) union select c.oid) parts)::float8 as bytes
     from pg_class c join pg_namespace n on n.oid = relnamespace
     where relkind in ('r', 'p', 'm') and not relispartition and nspname !~ '^pg_' and nspname <> 'information_schema'`,
  );
  let bytes = 0;
  for (const statement of statements.map(withoutLeadingComments)) {
    const share = Math.max(0, ...writes.filter((kind) => kind.statement.test(statement)).map((kind) => kind.share));
    if (share > 0) for (const row of rows) if (mentions(statement, row.table)) bytes += share * row.bytes;
  }
  return bytes;
}
