import type { MigrationBuilder } from "node-pg-migrate";
import { up as createMaterializedView } from "./0021_daily_market_summary.ts";

/**
 * Keeps daily_market_summary as a table, of which only the days that changed are computed anew. PostgreSQL can refresh
 * a materialized view only as a whole.
 *
 * Triggers note the days whose prices a statement changed, in one row. They are those of the partitioned table: who
 * writes to a partition by its own name goes past them, and calls note_all_prices_changed() afterwards.
 * https://www.postgresql.org/docs/current/sql-createtrigger.html
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create table summary_refresh (name text primary key, refreshed_at timestamptz);
    comment on table summary_refresh is 'when each summary of prices was last brought up to date';
    insert into summary_refresh values ('daily_market_summary'), ('weekly_price_summary');

    create table summary_change (days datemultirange not null, changed_at timestamptz not null default now());
    comment on table summary_change is 'days whose prices changed and that are not in daily_market_summary yet';`);
  pgm.sql(noteChanges);
  pgm.sql(`
    create table daily_market_summary_table as table daily_market_summary;
    drop materialized view daily_market_summary;
    alter table daily_market_summary_table rename to daily_market_summary;
    alter table daily_market_summary add constraint daily_market_summary_key primary key (date, sector);
    comment on table daily_market_summary is
      'per day and sector, and per day over all: stocks, advancers, decliners, returns (0.01 is 1 %), shares traded';
    -- Whether the view was up to date, nobody knows: the first refresh computes every day.
    select note_all_prices_changed();`);
  pgm.sql(refresh);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    drop function refresh_daily_market_summary();
    drop table daily_market_summary;
    drop trigger note_inserted_prices on price_history;
    drop trigger note_updated_prices on price_history;
    drop trigger note_deleted_prices on price_history;
    drop trigger note_truncated_prices on price_history;
    drop trigger note_moved_stocks on stocks;
    drop trigger note_renamed_sectors on sectors;
    drop function note_price_change();
    drop function note_sector_change();
    drop function note_all_prices_changed();
    drop table summary_change, summary_refresh;`);
  await createMaterializedView(pgm);
}

/** SQL that notes the days of some rows; none for a statement that changed no row. */
const note = (rows: string) => `
        insert into summary_change (days)
        select range_agg(daterange(date, date + 1)) from (select distinct date from (${rows}) as rows) as days
        having count(*) > 0;`;

// Of a stock's other columns nothing is read. One that moves to another sector changes every day that it was traded on.
const noteChanges = `
  create function note_all_prices_changed() returns void
  language sql security definer set search_path = public, pg_temp
  begin atomic
    insert into public.summary_change (days) values ('{(,)}');
  end;
  comment on function note_all_prices_changed is 'lets the next refresh compute every day of daily_market_summary anew';

  create function note_price_change() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
  begin
    -- Rows that are only put elsewhere, as when they are packed, change no day.
    if current_setting('price_history.rows_only_move', true) = 'on' then
      return null;
    end if;
    case tg_op
      when 'TRUNCATE' then
        perform note_all_prices_changed();
      when 'INSERT' then ${note("select date from new_rows")}
      when 'DELETE' then ${note("select date from old_rows")}
      else ${note("select date from old_rows union all select date from new_rows")}
    end case;
    return null;
  end
  $$;
  comment on function note_price_change is 'notes the days whose prices a statement changed';

  create function note_sector_change() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
  begin
    if tg_table_name = 'stocks' then
      if exists (select from new_rows n join old_rows o using (id) where n.sector_id is distinct from o.sector_id) then
        perform note_all_prices_changed();
      end if;
    elsif exists (select from new_rows n join old_rows o using (id) where n.name <> o.name) then
      perform note_all_prices_changed();
    end if;
    return null;
  end
  $$;
  comment on function note_sector_change is 'notes that stocks went to another sector, or a sector got another name';

  create trigger note_inserted_prices after insert on price_history
    referencing new table as new_rows for each statement execute function note_price_change();
  create trigger note_updated_prices after update on price_history
    referencing old table as old_rows new table as new_rows for each statement execute function note_price_change();
  create trigger note_deleted_prices after delete on price_history
    referencing old table as old_rows for each statement execute function note_price_change();
  create trigger note_truncated_prices after truncate on price_history
    for each statement execute function note_price_change();
  create trigger note_moved_stocks after update on stocks
    referencing old table as old_rows new table as new_rows for each statement execute function note_sector_change();
  create trigger note_renamed_sectors after update on sectors
    referencing old table as old_rows new table as new_rows for each statement execute function note_sector_change();`;

// A return is that since the stock's previous price, at most seven days before. So a changed day also changes the day of
// each stock's next price within a week. Changed days at most two weeks apart read the same prices: they share a run,
// which is computed by itself, so that the other partitions are left out.
const refresh = `
  create function refresh_daily_market_summary() returns integer
  language plpgsql
  -- The schema packed may have a view of price_history that has the packed rows too.
  set search_path = packed, public, pg_temp as $$
  declare
    changed datemultirange;
    run daterange;
    affected datemultirange;
    written integer;
    number integer := 0;
  begin
    -- One refresh at a time; readers and writers go on.
    perform from public.summary_refresh where name = 'daily_market_summary' for update;
    with taken as (delete from public.summary_change returning days)
    select range_agg(days) into changed from taken;
    for run in
      select range_merge(range_agg(day))
      from (select day, sum(starts::integer) over (order by day) as number
            from (select day, coalesce(lower(day) - lag(upper(day)) over (order by day) > 14, true) as starts
                  from unnest(changed) as day) as days) as numbered
      group by numbered.number
    loop
      affected := changed * datemultirange(run);
      if not lower_inf(run) then
        select affected + coalesce(range_agg(daterange(date, date + 1)), '{}') into affected
        from (select distinct date
              from (select date, lag(date) over (partition by stock_id order by date) as date_before
                    from price_history where date >= lower(run) - 7 and date < upper(run) + 7) as prices
              where daterange(greatest(date_before, date - 7), date, '[]') && changed) as days;
      end if;
      delete from public.daily_market_summary where date <@ affected;
      with prices as (
        select stock_id, date, volume,
               coalesce(adjusted_close, close)::double precision as price,
               lag(coalesce(adjusted_close, close)::double precision) over stock as price_before,
               date - lag(date) over stock as days
        from price_history
        where date >= coalesce(lower(run) - 7, '-infinity') and date < coalesce(upper(run) + 7, 'infinity')
        window stock as (partition by stock_id order by date)
      ),
      returns as (
        select stock_id, date, volume, case when days <= 7 then price / nullif(price_before, 0) - 1 end as return
        from prices where date <@ affected
      ),
      inserted as (
        insert into public.daily_market_summary
        select r.date,
               case grouping(e.name) when 1 then 'All' else coalesce(e.name, 'Unclassified') end,
               count(*)::integer,
               (count(*) filter (where r.return > 0))::integer,
               (count(*) filter (where r.return < 0))::integer,
               (count(*) filter (where r.return = 0))::integer,
               avg(r.return), max(r.return), min(r.return), sum(r.volume)::bigint
        from returns r
        join stocks s on s.id = r.stock_id
        left join sectors e on e.id = s.sector_id
        group by grouping sets ((r.date), (r.date, e.name))
        returning sector
      )
      select count(*) filter (where sector = 'All') into written from inserted;
      number := number + written;
    end loop;
    update public.summary_refresh set refreshed_at = clock_timestamp() where name = 'daily_market_summary';
    return number;
  end
  $$;
  comment on function refresh_daily_market_summary is
    'brings daily_market_summary up to date, computing only the days that changed; returns how many';`;
