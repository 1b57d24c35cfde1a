import pg from "pg";

/** Something in a database that can have an owner. */
export interface OwnedObject {
  /** As ALTER says it. */
  kind: "schema" | "table" | "view" | "materialized view" | "foreign table" | "sequence" | "routine" | "type";
  /** Qualified and quoted. */
  name: string;
  schema: string;
  /** A sequence of a column: it goes with its table. */
  follows: boolean;
}

/**
 * What the connected user owns in some schemas, and those schemas but `public`, which belongs to the database's owner.
 * What belongs to an extension stays with it, and what others own is theirs.
 * @see https://www.postgresql.org/docs/current/catalog-pg-depend.html for the kinds of dependency
 */
export async function ownObjects(
  client: Pick<pg.ClientBase, "query">,
  schemas: readonly string[],
): Promise<OwnedObject[]> {
  const { rows } = await client.query<OwnedObject>(
    `with place as (
       select oid, nspname as schema, nspowner from pg_namespace where nspname = any ($1)
     ), found as (
       select 'pg_namespace'::regclass as class, oid, 1 as rank, 'schema' as kind, quote_ident(schema) as name,
              schema, nspowner as owner
       from place where schema <> 'public'
       union all
       select 'pg_class'::regclass, c.oid, case relkind when 'S' then 3 else 2 end,
              case relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view'
                           when 'f' then 'foreign table' else 'table' end,
              format('%I.%I', schema, relname), schema, relowner
       from pg_class c join place on place.oid = relnamespace where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
       union all
       select 'pg_proc'::regclass, p.oid, 4, 'routine',
              format('%I.%I(%s)', schema, proname, pg_get_function_identity_arguments(p.oid)), schema, proowner
       from pg_proc p join place on place.oid = pronamespace
       union all
       select 'pg_type'::regclass, t.oid, 4, 'type', format('%I.%I', schema, typname), schema, typowner
       from pg_type t join place on place.oid = typnamespace left join pg_class c on c.oid = typrelid
       where typtype in ('e', 'd', 'r') or c.relkind = 'c'
     )
     select kind, name, schema,
            exists (select from pg_depend d where d.classid = class and d.objid = found.oid
                    and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and kind = 'sequence') as follows
     from found
     where owner = current_user::regrole
       and not exists (select from pg_depend d where d.classid = class and d.objid = found.oid and d.deptype = 'e')
     order by rank, name`,
    [schemas],
  );
  return rows;
}

/** Privileges of a role on tables and on sequences. */
export interface Share {
  role: string;
  tables: string[];
  sequences: string[];
}

const grantable: Partial<Record<OwnedObject["kind"], keyof Omit<Share, "role">>> = {
  table: "tables",
  view: "tables",
  "materialized view": "tables",
  "foreign table": "tables",
  sequence: "sequences",
};

/** Which migrations have run: what others may do of other tables, they may only read here. */
const onlyRead = "public.pgmigrations";

/** Whoever reads tables reads the views of this schema; its tables are nobody else's. */
const viewsOnly = "packed";

/** The statements that hand an object to another owner, and to others what default privileges would have given them. */
export function handOver(object: OwnedObject, owner: string, shares: readonly Share[]): string[] {
  const { kind, name, follows } = object;
  const alter = `alter ${kind} ${name} owner to ${pg.escapeIdentifier(owner)}`;
  const on = kind === "sequence" || kind === "schema" ? `${kind} ${name}` : name;
  const grants = shares.flatMap((share) => {
    const privileges = privilegesOn(object, share);
    return privileges.length > 0
      ? [`grant ${privileges.join(", ")} on ${on} to ${pg.escapeIdentifier(share.role)}`]
      : [];
  });
  return follows ? grants : [alter, ...grants];
}

function privilegesOn({ kind, name, schema }: OwnedObject, share: Share): string[] {
  if (schema === viewsOnly && share.tables.includes("SELECT"))
    return kind === "schema" ? ["USAGE"] : kind === "view" ? ["SELECT"] : [];
  const list = grantable[kind];
  if (schema !== "public" || !list) return [];
  return name === onlyRead ? share[list].filter((privilege) => privilege === "SELECT") : share[list];
}
