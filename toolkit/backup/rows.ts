import pg from "pg";

/**
 * How many rows the tables have, and how many of them a backup can hold.
 *
 * A dump and its counts share one snapshot: they are exact. A physical backup and an RDS snapshot hold the state of a
 * moment between their start and their end, which no session of the live server can count. So the rows are counted
 * before and after, and the server's own counters tell what was inserted and deleted meanwhile: what the backup holds
 * lies between. A table that nobody wrote to has to match exactly. The counters of a session arrive up to ten seconds
 * late once it is idle: a table that was filled and emptied again within that time, in the middle of a backup, may be
 * reported wrongly.
 */
export type Bounds = Record<string, [number, number]>;

/** Counters of one table, its partitions together. */
interface Activity {
  inserted: number;
  deleted: number;
  /** Of its files: another one after TRUNCATE and rewrites. */
  files: string;
}

/** A table's rows and counters at one moment. */
export interface Census {
  rows: Record<string, number>;
  activity: Map<string, Activity>;
}

// Partitions count in their parent. Unlogged tables are empty after any recovery; what an extension keeps is its own.
const tables = `
  select n.nspname as schema, c.relname as table, format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and c.relpersistence = 'p' and not c.relispartition
     and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
     and not exists (select from pg_depend
                      where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')
   order by n.nspname collate "C", c.relname collate "C"`;

const lineInterval = 5_000;

/**
 * Counts the rows of every table, each in a transaction of its own, whose locks end with it.
 * @param client a session outside any transaction
 * @param options.snapshot an exported snapshot, in which all are counted
 * @param options.say hears every few seconds which table it is at
 * @throws the server's error where the role may not read all rows of a table
 */
export async function countRows(
  client: pg.ClientBase,
  options: { snapshot?: string; say?: (line: string) => void } = {},
): Promise<Record<string, number>> {
  const found = await client.query<{ schema: string; table: string; name: string }>(tables);
  const rows: Record<string, number> = {};
  let told = Date.now();
  for (const { schema, table, name } of found.rows) {
    if (Date.now() - told > lineInterval) {
      told = Date.now();
      options.say?.(`counting the rows of ${name}`);
    }
    const results = (await client.query(
      `begin isolation level repeatable read read only;
       ${options.snapshot ? `set transaction snapshot ${pg.escapeLiteral(options.snapshot)};` : ""}
       set local row_security to off;
       select count(*)::text as rows from ${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)};
       commit`,
    )) as unknown as pg.QueryResult<{ rows: string }>[];
    rows[name] = Number(results.find(({ command }) => command === "SELECT")!.rows[0]!.rows);
  }
  return rows;
}

/** Rows and counters of now. The counters are read on the far side of the rows: they may only count too much. */
export async function takeCensus(
  client: pg.ClientBase,
  side: "before" | "after",
  say?: (line: string) => void,
): Promise<Census> {
  const options = say ? { say } : {};
  if (side === "after") {
    const rows = await countRows(client, options);
    return { rows, activity: await readActivity(client) };
  }
  const activity = await readActivity(client);
  return { rows: await countRows(client, options), activity };
}

async function readActivity(client: pg.ClientBase): Promise<Map<string, Activity>> {
  const { rows } = await client.query<Activity & { name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name,
            sum(s.n_tup_ins)::float8 as inserted, sum(s.n_tup_del)::float8 as deleted,
            md5(string_agg(coalesce(pg_relation_filenode(s.relid), 0)::text, ',' order by s.relid)) as files
       from pg_stat_user_tables s
       join pg_class c on c.oid = coalesce(pg_partition_root(s.relid), s.relid)
       join pg_namespace n on n.oid = c.relnamespace
      group by n.nspname, c.relname`,
  );
  return new Map(rows.map(({ name, ...activity }) => [name, activity]));
}

/** The bounds of the tables that were written to between two moments. */
export function boundsOf(before: Census, after: Census): Bounds {
  const bounds: Bounds = {};
  for (const [name, start] of Object.entries(before.rows)) {
    const end = after.rows[name];
    const [from, to] = [before.activity.get(name), after.activity.get(name)];
    // A table that went, or counters that were reset, tell nothing.
    if (end === undefined || !from || !to || to.inserted < from.inserted || to.deleted < from.deleted) {
      bounds[name] = [0, Number.MAX_SAFE_INTEGER];
      continue;
    }
    const fewest = from.files === to.files ? Math.max(start - (to.deleted - from.deleted), 0) : 0;
    const range: [number, number] = [Math.min(fewest, end), Math.max(start + to.inserted - from.inserted, end)];
    if (range[0] !== start || range[1] !== start) bounds[name] = range;
  }
  return bounds;
}

/** What differs between the rows that a backup must hold and those found in it, one line for each table. */
export function rowDifferences(
  expected: { rows: Record<string, number>; bounds: Bounds },
  found: Record<string, number>,
): string[] {
  return Object.entries(expected.rows).flatMap(([name, rows]) => {
    const [fewest, most] = expected.bounds[name] ?? [rows, rows];
    const count = found[name];
    if (count === undefined) return [`${name} is missing`];
    if (count >= fewest && count <= most) return [];
    return [`${name} has ${count} rows, not ${fewest === most ? rows : `${fewest} to ${most}`}`];
  });
}
