import type pg from "pg";
import type { Conversion } from "./journal.ts";
import { type Names, namesFor } from "./names.ts";
import { type Session, withinLockBudget } from "./session.ts";
import type { Part } from "./shape.ts";

/**
 * Gives the filled table what an empty one did without: foreign keys, owner, privileges, comments, statistics. Each step
 * looks first what is there, so that a killed run goes on.
 */
export async function complete(session: Session, conversion: Conversion): Promise<void> {
  const { client } = session;
  const { shape } = conversion;
  const names = namesFor(shape);
  for (const key of shape.foreignKeys) await addForeignKey(session, conversion, names, key);
  const { rows } = await client.query<{ sql: string }>(copied, [conversion.plain, conversion.partitioned]);
  for (const { sql } of rows)
    await withinLockBudget(session, "copy what belongs to the table", () => client.query(sql));
  await client.query(`analyze ${names.shadow}`);
}

/**
 * A foreign key of a partitioned table is checked at once, under a lock that keeps writers from the table it refers to.
 * So each partition gets it unchecked, which takes a moment, and is checked on its own, which blocks nobody; the
 * partitioned table then takes over what its partitions have.
 * @see https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
 */
async function addForeignKey(session: Session, { partitioned }: Conversion, names: Names, key: Part): Promise<void> {
  const { client } = session;
  if (await hasConstraint(client, partitioned, key.name)) return;
  const definition = key.definition.replace(/ NOT VALID$/, "");
  const { rows } = await client.query<{ oid: string; partition: string }>(
    "select inhrelid::text as oid, inhrelid::regclass::text as partition from pg_inherits where inhparent = $1",
    [partitioned],
  );
  for (const { oid, partition } of rows) {
    const alter = `alter table ${partition}`;
    if (!(await hasConstraint(client, oid, key.name)))
      await withinLockBudget(session, `add ${key.name}`, () =>
        client.query(`${alter} add constraint ${key.name} ${definition} not valid`),
      );
    await client.query(`${alter} validate constraint ${key.name}`);
  }
  await withinLockBudget(session, `add ${key.name}`, () =>
    client.query(`alter table ${names.shadow} add constraint ${key.name} ${definition}`),
  );
}

async function hasConstraint(client: pg.ClientBase, oid: string, name: string): Promise<boolean> {
  const { rowCount } = await client.query(
    "select from pg_constraint where conrelid = $1 and quote_ident(conname) = $2",
    [oid, name],
  );
  return rowCount !== 0;
}

/** Statements that copy owner, privileges and comments from one table ($1) to another ($2), where they differ. */
const copied = `
  with both_columns as (
    select a.attname as name, a.attacl as acl, a.attstattarget as target, a.attnum as old_number, b.attnum as new_number,
           a.attstorage, b.attstorage as new_storage, a.attcompression, b.attcompression as new_compression
    from pg_attribute a join pg_attribute b using (attname)
    where a.attrelid = $1 and b.attrelid = $2 and a.attnum > 0 and b.attnum > 0
  )
  select format('grant %s on %s to %s %s', privilege_type, $2::regclass,
                case grantee when 0 then 'public' else grantee::regrole::text end,
                case when is_grantable then 'with grant option' end) as sql
  from pg_class cross join lateral aclexplode(relacl) where oid = $1 and grantee <> relowner
  union all
  select format('grant %s (%I) on %s to %s %s', privilege_type, name, $2::regclass,
                case grantee when 0 then 'public' else grantee::regrole::text end,
                case when is_grantable then 'with grant option' end)
  from both_columns cross join lateral aclexplode(acl)
  union all
  select format('comment on table %s is %L', $2::regclass, description)
  from pg_description where classoid = 'pg_class'::regclass and objoid = $1 and objsubid = 0
  union all
  select format('comment on column %s.%I is %L', $2::regclass, name, description)
  from both_columns join pg_description on classoid = 'pg_class'::regclass and objoid = $1 and objsubid = old_number
  union all
  select format('comment on constraint %I on %s is %L', o.conname, $2::regclass, description)
  from pg_constraint o join pg_constraint n on n.conrelid = $2 and n.conname = o.conname
  join pg_description on classoid = 'pg_constraint'::regclass and objoid = o.oid where o.conrelid = $1
  union all
  select format('alter table %s alter column %I set storage %s', $2::regclass, name,
                case attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end)
  from both_columns where attstorage <> new_storage
  union all
  select format('alter table %s alter column %I set compression %s', $2::regclass, name,
                case attcompression when 'l' then 'lz4' when 'p' then 'pglz' else 'default' end)
  from both_columns where attcompression <> new_compression
  union all
  select format('alter table %s alter column %I set statistics %s', $2::regclass, name, target)
  from both_columns where target > 0
  union all
  select format('alter table %s owner to %I', relid, pg_get_userbyid(o.relowner))
  from pg_class o, pg_partition_tree($2) join pg_class n on n.oid = relid
  where o.oid = $1 and o.relowner <> n.relowner`;
