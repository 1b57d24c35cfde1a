import type { MigrationBuilder } from "node-pg-migrate";

/**
 * Functions that make monthly partitions and find those that are missing. A partition is made as a table of its own
 * and then attached, which asks for SHARE UPDATE EXCLUSIVE on the parent: reads and writes go on. The same lock,
 * taken first, lets concurrent callers in one after the other; nothing is locked where nothing is missing.
 * https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create function partition_bounds(parent regclass)
    returns table (partition regclass, from_date date, to_date date)
    language sql stable as $$
      select c.oid::regclass,
             coalesce(substring(bound from 'FROM [(]''([^'']+)'), '-infinity')::date,
             coalesce(substring(bound from 'TO [(]''([^'']+)'), 'infinity')::date
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
      cross join lateral pg_get_expr(c.relpartbound, c.oid) as bound
      where i.inhparent = parent and not i.inhdetachpending and bound <> 'DEFAULT'
    $$;
    comment on function partition_bounds is 'the partitions of a table that is partitioned by a range of dates';

    create function missing_months(parent regclass, from_date date, to_date date)
    returns setof date
    language sql stable as $$
      with covered as (
        select start, sum(least(b.to_date, start::date + interval '1 month') - greatest(b.from_date, start)) as span
        from partition_bounds(parent) b
        cross join lateral generate_series(date_trunc('month', greatest(b.from_date, from_date)::timestamp),
                                           least(b.to_date - 1, to_date)::timestamp, '1 month') as start
        group by start)
      select start::date
      from generate_series(date_trunc('month', from_date::timestamp), to_date::timestamp, '1 month') as start
      left join covered using (start)
      where covered.span is null or covered.span < start + interval '1 month' - start
      order by start
    $$;
    comment on function missing_months is 'the months, by their first day, that partitions do not cover or only in part';`);
  pgm.sql(ensurePartitions);
  pgm.sql(`
    create function create_partitions_ahead(parent regclass, months integer)
    returns integer
    language plpgsql as $$
    begin
      if months is null or months not between 0 and 120 then
        raise exception 'partitions of % are not made % months ahead', parent, coalesce(months::text, 'null')
          using errcode = 'invalid_parameter_value', hint = 'Give a number of months from 0 to 120.';
      end if;
      return ensure_partitions(parent, current_date, (current_date + months * interval '1 month')::date);
    end
    $$;
    comment on function create_partitions_ahead is 'makes the partitions of this month and of the next ones';`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    drop function create_partitions_ahead(regclass, integer);
    drop function ensure_partitions(regclass, date, date);
    drop function missing_months(regclass, date, date);
    drop function partition_bounds(regclass);`);
}

// 1800 is where the longest series of share prices begin, and the loader refuses earlier dates too; the other limit
// catches a year that was mistyped. LIKE copies the key, so that attaching has no index to build.
const ensurePartitions = `
  create function ensure_partitions(parent regclass, from_date date, to_date date)
  returns integer
  language plpgsql as $$
  declare
    earliest constant date := '1800-01-01';
    latest constant date := current_date + interval '10 years';
    home text;
    base text;
    name text;
    missing date[];
    month date;
    month_after date;
  begin
    if from_date is null or to_date is null or from_date > to_date then
      raise exception 'partitions of % from % to %: that is no range of dates',
          parent, coalesce(from_date::text, 'null'), coalesce(to_date::text, 'null')
        using errcode = 'invalid_parameter_value', hint = 'Give the first date and then the last.';
    end if;
    if from_date < earliest or to_date > latest then
      raise exception 'partitions of % from % to % are refused', parent, from_date, to_date
        using errcode = 'invalid_parameter_value',
              detail = format('Dates from %s to %s are taken.', earliest, latest),
              hint = 'Correct the dates; a mistyped year is the usual reason.';
    end if;
    select n.nspname, c.relname into home, base
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_partitioned_table p on p.partrelid = c.oid
    join pg_attribute a on a.attrelid = c.oid and a.attnum = p.partattrs[0]
    where c.oid = parent and p.partstrat = 'r' and p.partnatts = 1 and a.atttypid = 'date'::regtype;
    if not found then
      raise exception '% is not partitioned by a range of dates', parent using errcode = 'wrong_object_type';
    end if;

    if not exists (select from missing_months(parent, from_date, to_date)) then
      return 0;
    end if;
    execute format('lock table only %s in share update exclusive mode', parent);
    -- Looked at again: another session may have made them while this one waited for the lock.
    missing := array(select missing_months(parent, from_date, to_date));
    select b.partition::text, m into name, month
    from unnest(missing) as m
    join partition_bounds(parent) b on b.from_date < m + interval '1 month' and b.to_date > m
    limit 1;
    if found then
      raise exception '% covers the month % of % only in part', name, to_char(month, 'YYYY-MM'), parent
        using errcode = 'object_not_in_prerequisite_state',
              hint = 'Make the partitions of its other days by hand.';
    end if;
    foreach month in array missing loop
      month_after := month + interval '1 month';
      name := base || to_char(month, '_YYYY_MM');
      if to_regclass(format('%I.%I', home, name)) is not null then
        raise exception 'the table % is in the way: it is no partition of %', name, parent
          using errcode = 'duplicate_table', hint = 'Attach it, if its rows belong there, or rename it.';
      end if;
      execute format('create table %I.%I (like %s including all)', home, name, parent);
      execute format('alter table %s attach partition %I.%I for values from (%L) to (%L)',
                     parent, home, name, month, month_after);
    end loop;
    return coalesce(array_length(missing, 1), 0);
  end
  $$;
  comment on function ensure_partitions is
    'makes the monthly partitions that are missing from one date to another, both included; returns their number';`;
