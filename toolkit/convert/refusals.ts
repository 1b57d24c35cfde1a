import type pg from "pg";
import { UserError } from "../errors.ts";

/**
 * What speaks against exchanging a table for another one: each query finds what depends on the table itself and not on
 * its name, or what the new table would not have. $1 is the table's OID; a row is the name of a thing in the way.
 */
const obstacles: { what: string; why: string; fix: string; sql: string }[] = [
  {
    what: "foreign keys of other tables refer to it",
    why: "They refer to this table, not to its name, and would go on referring to the old one.",
    fix: "Drop them first; partitioned tables can be referred to by their whole primary key.",
    sql: "select conrelid::regclass || '.' || quote_ident(conname) as name from pg_constraint where confrelid = $1 and contype = 'f' and conparentid = 0",
  },
  {
    what: "views or rules use it",
    why: "They would go on reading the old table.",
    fix: "Drop them, and create them again afterwards.",
    sql: `select distinct ev_class::regclass::text as name from pg_depend d join pg_rewrite w on w.oid = d.objid
          where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = $1`,
  },
  {
    what: "functions with an SQL body use it",
    why: "They would go on using the old table.",
    fix: "Drop them, and create them again afterwards.",
    sql: `select objid::regprocedure::text as name from pg_depend
          where classid = 'pg_proc'::regclass and refclassid = 'pg_class'::regclass and refobjid = $1`,
  },
  {
    what: "it has triggers",
    why: "They would fire for the old table, and copying would have to tell what they do.",
    fix: "Drop them, and create them again afterwards.",
    sql: `select quote_ident(tgname) as name from pg_trigger t join pg_proc p on p.oid = tgfoid
          where tgrelid = $1 and not tgisinternal and pronamespace is distinct from to_regnamespace('deploy')`,
  },
  {
    what: "it is part of an inheritance tree",
    why: "A partitioned table neither inherits nor is inherited.",
    fix: "Take it out of the tree: alter table … no inherit ….",
    sql: `select case inhrelid when $1 then inhparent else inhrelid end::regclass::text as name
          from pg_inherits where (inhrelid = $1 or inhparent = $1) and (select relkind from pg_class where oid = $1) = 'r'`,
  },
  {
    what: "it has row security",
    why: "Rows that the policies hide from us would not be copied, and the policies are not carried over.",
    fix: "Remove the policies and row security, and create them again afterwards.",
    sql: `select quote_ident(polname) as name from pg_policy where polrelid = $1
          union all select 'row level security' from pg_class where oid = $1 and relrowsecurity`,
  },
  {
    what: "it has generated or identity columns",
    why: "They are not carried over.",
    fix: "Turn them into plain columns with defaults first.",
    sql: `select quote_ident(attname) as name from pg_attribute
          where attrelid = $1 and attnum > 0 and not attisdropped and (attgenerated <> '' or attidentity <> '')`,
  },
  {
    what: "it has exclusion constraints, extended statistics, a replica identity of its own, or is in a publication",
    why: "They are not carried over.",
    fix: "Remove them, and create them again afterwards.",
    sql: `select quote_ident(conname) as name from pg_constraint where conrelid = $1 and contype = 'x'
          union all select quote_ident(stxname) from pg_statistic_ext where stxrelid = $1
          union all select 'replica identity' from pg_class where oid = $1 and relreplident not in ('d')
          union all select quote_ident(pubname) from pg_publication_rel r join pg_publication p on p.oid = prpubid
                    where prrelid = $1`,
  },
  {
    what: "it is temporary or unlogged",
    why: "Its rows do not outlive a crash, and those of the new table would.",
    fix: "Make it a logged table first.",
    sql: "select oid::regclass::text as name from pg_class where oid = $1 and relpersistence <> 'p'",
  },
];

/**
 * Refuses a table that cannot be exchanged for another one without losing something.
 * @throws UserError that lists everything in the way
 */
export async function refuseObstacles(client: pg.ClientBase, oid: string, table: string, doing: string): Promise<void> {
  const found: string[] = [];
  for (const { what, why, fix, sql } of obstacles) {
    const { rows } = await client.query<{ name: string }>(sql, [oid]);
    if (rows.length === 0) continue;
    const names = rows.map(({ name }) => name).sort();
    found.push(`${table} cannot be ${doing}: ${what}: ${names.join(", ")}\n  why: ${why}\n  fix: ${fix}`);
  }
  if (found.length > 0) throw new UserError(found.join("\n"));
}
