import type { MigrationBuilder } from "node-pg-migrate";

/**
 * The summaries count packed prices too. Without it, the first refresh after packing would lose the old days.
 *
 * Their definitions stay as they are and name price_history without a schema: read with another search_path, they mean
 * the view of all prices. This is about summaries that are materialized views; a function that keeps one as a table has
 * that path already.
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(redefine("public", "packed, public"));
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(redefine("packed, public", "public"));
}

const redefine = (before: string, after: string) => `
  do $migration$
  declare
    path constant text := current_setting('search_path');
    summary record;
    statement text;
  begin
    perform set_config('search_path', '${before}', true);
    for summary in
      select format('public.%I', relname) as name, rtrim(pg_get_viewdef(oid), '; ') as definition, relispopulated as filled,
             obj_description(oid, 'pg_class') as comment,
             array(select pg_get_indexdef(indexrelid) from pg_index where indrelid = c.oid) as indexes,
             array(select format('grant %s on public.%I to %s', privilege_type, relname,
                                 case grantee when 0 then 'public' else grantee::regrole::text end)
                   from aclexplode(relacl) where grantee <> relowner) as grants
      from pg_class c
      where relkind = 'm' and relnamespace = 'public'::regnamespace
        and relname in ('daily_market_summary', 'weekly_price_summary')
      order by relname
    loop
      execute format('drop materialized view %s', summary.name);
      perform set_config('search_path', '${after}', true);
      execute format('create materialized view %s as %s with %s data', summary.name, summary.definition,
                     case when summary.filled then '' else 'no' end);
      foreach statement in array summary.indexes || summary.grants loop
        execute statement;
      end loop;
      if summary.comment is not null then
        execute format('comment on materialized view %s is %L', summary.name, summary.comment);
      end if;
    end loop;
    perform set_config('search_path', path, true);
  end
  $migration$;`;
