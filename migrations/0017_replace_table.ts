import type { MigrationBuilder } from "node-pg-migrate";

/**
 * A function that puts a table in the place of another, for changes that rewrite a table: it compares the numbers of
 * rows, hands over the privileges, drops the old table and moves the new one, with its partitions, to the old one's
 * schema. The new table is made in a schema of its own, so that it and all that belongs to it have their final names.
 * The caller keeps writers away from the old table from before the copy; what depends on it makes the drop fail.
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create function replace_table(old_table regclass, new_table regclass)
    returns bigint
    language plpgsql as $$
    declare
      home text;
      old_rows bigint;
      new_rows bigint;
      member regclass;
      privilege record;
    begin
      execute format('select count(*) from %s', old_table) into old_rows;
      execute format('select count(*) from %s', new_table) into new_rows;
      if old_rows <> new_rows then
        raise exception '% has % rows and the table to replace it has %', old_table, old_rows, new_rows
          using errcode = 'data_exception', hint = 'Nothing was replaced. Find the rows that were not copied.';
      end if;
      select n.nspname into home from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = old_table;
      for privilege in
        select a.privilege_type, a.is_grantable,
               case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee
        from pg_class c cross join lateral aclexplode(c.relacl) a
        where c.oid = old_table and a.grantee <> c.relowner
      loop
        execute format('grant %s on %s to %s %s', privilege.privilege_type, new_table, privilege.grantee,
                       case when privilege.is_grantable then 'with grant option' end);
      end loop;
      execute format('drop table %s', old_table);
      for member in select relid from pg_partition_tree(new_table) union select new_table loop
        execute format('alter table %s set schema %I', member, home);
      end loop;
      return new_rows;
    end
    $$;
    comment on function replace_table is 'puts a table with the same rows in the place of another; returns their number';`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql("drop function replace_table(regclass, regclass);");
}
