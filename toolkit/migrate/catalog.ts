/**
 * What of the catalogs makes up the schema, one query per kind of object; each gives `line`, "name: definition".
 *
 * Left out on purpose: owners and grants (roles differ from server to server), versions of extensions, partitions with
 * their indexes, constraints and triggers (they come and go with the data; the parent's definition is here), triggers of
 * functions in the schema deploy, the extensions' own objects, and node-pg-migrate's table. Nothing here depends on
 * OIDs, on the order in which objects were made, or on data. Names come out qualified, because the search path is empty
 * while these run.
 * @see https://www.postgresql.org/docs/current/catalogs.html
 */

/** What the queries below share: the objects that count. */
export const scope = `
  extension_members as (
    select classid, objid from pg_depend where deptype = 'e'
  ),
  -- What PostgreSQL makes with a type by itself: the constructors and the cast of a range.
  made_with_types as (
    select classid, objid from pg_depend where deptype = 'i' and refclassid = 'pg_type'::regclass
  ),
  schemas as (
    select oid, quote_ident(nspname) as name, nspname
    from pg_namespace n
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'deploy', 'monitoring')
      and not exists (select from extension_members where classid = 'pg_namespace'::regclass and objid = n.oid)
  ),
  relations as (
    select c.*, s.name || '.' || quote_ident(relname) as name
    from pg_class c join schemas s on s.oid = relnamespace
    where relkind in ('r', 'p', 'f', 'v', 'm', 'S', 'c') and not relispartition
      and (s.nspname, relname) not in (('public', 'pgmigrations'), ('public', 'pgmigrations_id_seq'))
      and not exists (select from extension_members where classid = 'pg_class'::regclass and objid = c.oid)
  ),
  functions as (
    select p.*, s.name || '.' || quote_ident(proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')' as name
    from pg_proc p join schemas s on s.oid = pronamespace
    where not exists (select from extension_members where classid = 'pg_proc'::regclass and objid = p.oid)
      and not exists (select from made_with_types where classid = 'pg_proc'::regclass and objid = p.oid)
  ),
  types as (
    select t.*, s.name || '.' || quote_ident(typname) as name
    from pg_type t join schemas s on s.oid = typnamespace
    where typtype in ('e', 'd', 'r')
      and not exists (select from extension_members where classid = 'pg_type'::regclass and objid = t.oid)
  )`;

const collation = (column: string, type: string) => `
  coalesce((select ' collate ' || quote_ident(collname) from pg_collation co
            where co.oid = ${column} and ${column} <> ${type}), '')`;

/** Each kind of object and the query that describes it. */
export const kinds: Readonly<Record<string, string>> = {
  schema: `select name as line from schemas`,

  extension: `
    select quote_ident(extname) || ': in ' || quote_ident(nspname) as line
    from pg_extension join pg_namespace n on n.oid = extnamespace`,

  table: `
    select concat(name, ': ', case relpersistence when 'u' then 'unlogged ' end,
             case relkind when 'f' then 'foreign table' else 'table' end,
             ' partition by ' || pg_get_partkeydef(oid),
             (select ' inherits ' || string_agg(inhparent::regclass::text, ', ' order by inhseqno)
              from pg_inherits where inhrelid = r.oid),
             ' with ' || (select array_agg(o order by o collate "C") from unnest(reloptions) o)::text,
             case when relrowsecurity then ' row security' end,
             case when relforcerowsecurity then ' forced' end,
             case when relreplident <> 'd' then ' replica identity ' || relreplident::text end) as line
    from relations r where relkind in ('r', 'p', 'f')`,

  column: `
    select concat(r.name, '.', quote_ident(attname), ': ',
             row_number() over (partition by attrelid order by attnum), ' ',
             format_type(atttypid, atttypmod), ${collation("attcollation", "typcollation")},
             case when attnotnull then ' not null' end,
             case when attgenerated <> '' then ' generated ' || attgenerated::text else ' default' end
               || ' ' || pg_get_expr(adbin, adrelid),
             case attidentity when 'a' then ' identity always' when 'd' then ' identity by default' end,
             case when attstorage <> typstorage then ' storage ' || attstorage::text end,
             case when attcompression <> '' then ' compression ' || attcompression::text end) as line
    from relations r
    join pg_attribute a on attrelid = r.oid and attnum > 0 and not attisdropped
    join pg_type t on t.oid = atttypid
    left join pg_attrdef d on adrelid = attrelid and adnum = attnum
    where relkind in ('r', 'p', 'f', 'c')`,

  constraint: `
    select concat(coalesce(r.name, t.name), '.', quote_ident(conname), ': ', pg_get_constraintdef(c.oid),
             case when not convalidated then ' not validated' end) as line
    from pg_constraint c
    left join relations r on r.oid = nullif(conrelid, 0)
    left join types t on t.oid = nullif(contypid, 0)
    where coalesce(r.oid, t.oid) is not null and contype in ('c', 'f', 'p', 'u', 'x') and conparentid = 0`,

  index: `
    select concat(r.name, '.', quote_ident(i.relname), ': ', pg_get_indexdef(indexrelid),
             case when not indisvalid then ' invalid' end,
             case when indisreplident then ' replica identity' end) as line
    from pg_index x join relations r on r.oid = indrelid join pg_class i on i.oid = indexrelid`,

  view: `
    select concat(name, ': ', ' with ' || (select array_agg(o order by o collate "C") from unnest(reloptions) o)::text,
             pg_get_viewdef(oid)) as line
    from relations where relkind = 'v'`,

  "materialized view": `
    select concat(name, ': ', ' with ' || (select array_agg(o order by o collate "C") from unnest(reloptions) o)::text,
             pg_get_viewdef(oid)) as line
    from relations where relkind = 'm'`,

  function: `select name || ': ' || pg_get_functiondef(oid) as line from functions where prokind <> 'a'`,

  aggregate: `
    select concat(f.name, ': ', aggtransfn::regproc, ' state ', format_type(aggtranstype, null),
             ' final ' || nullif(aggfinalfn::oid, 0)::regproc, ' combine ' || nullif(aggcombinefn::oid, 0)::regproc,
             ' initial ' || agginitval, ' returns ', pg_get_function_result(f.oid), ' ', proparallel) as line
    from functions f join pg_aggregate on aggfnoid = f.oid`,

  trigger: `
    select concat(r.name, '.', quote_ident(tgname), ': ', pg_get_triggerdef(t.oid),
             case when tgenabled <> 'O' then ' enabled ' || tgenabled::text end) as line
    from pg_trigger t join relations r on r.oid = tgrelid
    where not tgisinternal and tgparentid = 0
      and not exists (select from pg_proc f where f.oid = tgfoid and f.pronamespace = to_regnamespace('deploy'))`,

  rule: `
    select concat(r.name, '.', quote_ident(rulename), ': ', pg_get_ruledef(w.oid),
             case when ev_enabled <> 'O' then ' enabled ' || ev_enabled::text end) as line
    from pg_rewrite w join relations r on r.oid = ev_class where rulename <> '_RETURN'`,

  policy: `
    select concat(r.name, '.', quote_ident(polname), ': ', case when polpermissive then 'permissive' else 'restrictive' end,
             ' for ', polcmd, ' to ', (select string_agg(name, ', ' order by name collate "C")
               from unnest(polroles) role, lateral (select case role when 0 then 'public' else role::regrole::text end) o(name)),
             ' using ' || pg_get_expr(polqual, polrelid), ' check ' || pg_get_expr(polwithcheck, polrelid)) as line
    from pg_policy join relations r on r.oid = polrelid`,

  type: `
    select concat(name, ': ', case typtype
             when 'e' then 'enum ' || (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder)
                                       from pg_enum where enumtypid = t.oid)
             when 'r' then (select 'range of ' || format_type(rngsubtype, null) from pg_range where rngtypid = t.oid)
             else 'domain over ' || format_type(typbasetype, typtypmod)
               || ${collation("typcollation", "(select b.typcollation from pg_type b where b.oid = typbasetype)")}
             end,
             case when typnotnull then ' not null' end, ' default ' || typdefault) as line
    from types t`,

  "composite type": `select name as line from relations where relkind = 'c'`,

  sequence: `
    select concat(r.name, ': ', format_type(seqtypid, null), ' start ', seqstart, ' increment ', seqincrement,
             ' min ', seqmin, ' max ', seqmax, ' cache ', seqcache, case when seqcycle then ' cycle' end,
             (select ' owned by ' || refobjid::regclass || '.' || quote_ident(attname)
              from pg_depend join pg_attribute on attrelid = refobjid and attnum = refobjsubid
              where classid = 'pg_class'::regclass and objid = r.oid and refclassid = 'pg_class'::regclass
                and deptype in ('a', 'i'))) as line
    from relations r join pg_sequence on seqrelid = r.oid`,

  statistics: `
    select s.name || '.' || quote_ident(stxname) || ': ' || pg_get_statisticsobjdef(e.oid) as line
    from pg_statistic_ext e join schemas s on s.oid = stxnamespace join relations r on r.oid = stxrelid`,

  operator: `
    select concat(s.name, '.', oprname, ' (', format_type(oprleft, null), ', ', format_type(oprright, null), '): ',
             oprcode::regproc) as line
    from pg_operator o join schemas s on s.oid = oprnamespace
    where not exists (select from extension_members where classid = 'pg_operator'::regclass and objid = o.oid)`,

  cast: `
    select concat(format_type(castsource, null), ' as ', format_type(casttarget, null), ': ',
             nullif(castfunc, 0)::regprocedure, ' ', castcontext, castmethod) as line
    from pg_cast c where c.oid >= 16384 -- FirstNormalObjectId: not the system's own
      and not exists (select from extension_members where classid = 'pg_cast'::regclass and objid = c.oid)
      and not exists (select from made_with_types where classid = 'pg_cast'::regclass and objid = c.oid)`,

  "event trigger": `
    select concat(quote_ident(evtname), ': ', evtevent, ' ', evttags::text, ' ', evtfoid::regproc, ' ', evtenabled) as line
    from pg_event_trigger e
    where not exists (select from extension_members where classid = 'pg_event_trigger'::regclass and objid = e.oid)`,

  comment: `
    select concat(o.type, ' ', o.identity, ': ', quote_literal(description)) as line
    from (
      select 'pg_namespace'::regclass::oid, oid from schemas
      union all select 'pg_class'::regclass, oid from relations
      union all select 'pg_class'::regclass, indexrelid from pg_index join relations r on r.oid = indrelid
      union all select 'pg_proc'::regclass, oid from functions
      union all select 'pg_type'::regclass, oid from types
      union all select 'pg_type'::regclass, reltype from relations where relkind = 'c'
      union all select 'pg_constraint'::regclass, c.oid from pg_constraint c join relations r on r.oid = conrelid
      union all select 'pg_constraint'::regclass, c.oid from pg_constraint c join types t on t.oid = contypid
      union all select 'pg_trigger'::regclass, t.oid from pg_trigger t join relations r on r.oid = tgrelid
      union all select 'pg_policy'::regclass, p.oid from pg_policy p join relations r on r.oid = polrelid
      union all select 'pg_rewrite'::regclass, w.oid from pg_rewrite w join relations r on r.oid = ev_class
    ) object(class, id)
    join pg_description on classoid = class and objoid = id,
    lateral pg_identify_object(classoid, objoid, objsubid) o
    where description <> 'standard public schema'`,
};
