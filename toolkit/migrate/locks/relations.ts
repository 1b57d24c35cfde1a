import type pg from "pg";

/** A relation as a lock's observer needs it. */
export interface Relation {
  oid: number;
  /** Without the schema, where that is public; quoted where it must be, but not because it is a keyword. */
  name: string;
  /** pg_class.relname, as PostgreSQL's messages write it. */
  bareName: string;
  /** pg_class.relkind. */
  kind: string;
  /** The number of its file; it changes when the relation is written anew. */
  file: number;
  /** The table of an index. */
  table: number | undefined;
  /** The partitioned table at the top, of a partition. */
  root: number | undefined;
}

const written = (name: string) =>
  `case when ${name} ~ '^[a-z_][a-z0-9_$]*$' then ${name} else '"' || replace(${name}, '"', '""') || '"' end`;

/** Every relation of the users' schemas, by OID, as a session sees it in its transaction. Takes locks on catalogs only. */
export async function readRelations(client: pg.ClientBase): Promise<Map<number, Relation>> {
  const { rows } = await client.query<Relation>(
    `select c.oid::int8::int, c.relkind::text as kind, c.relfilenode::int8::int as file, i.indrelid::int8::int as table,
            relname as "bareName",
            case when nspname <> 'public' then ${written("nspname")} || '.' else '' end || ${written("relname")} as name,
            case when relispartition and relkind in ('r', 'p') then pg_partition_root(c.oid)::oid::int8::int end as root
     from pg_class c
     join pg_namespace n on n.oid = relnamespace and nspname !~ '^pg_' and nspname <> 'information_schema'
     left join pg_index i on i.indexrelid = c.oid`,
  );
  return new Map(rows.map((row) => [row.oid, row]));
}

const indexKinds = new Set(["i", "I"]);

/** Whether a relation is an index, of a plain or of a partitioned table. */
export function isIndex({ kind }: Relation): boolean {
  return indexKinds.has(kind);
}
