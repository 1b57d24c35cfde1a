import type { MigrationBuilder } from "node-pg-migrate";

export const accepts = {
  "copies-whole-table":
    "a summary is a fifth of the prices, copied in seconds, and no lock is held meanwhile that others ask for",
};

/**
 * Keeps weekly_price_summary as a table too, of which only the weeks that changed are computed anew.
 *
 * The days that changed wait in summary_change for both summaries: each row names those that lack it, and goes when
 * none does. Its new column has a default, so that the triggers that note changes stay as they are.
 *
 * The rows are copied before anything is locked that others use; then come catalog changes only.
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create table weekly_price_summary_table (like weekly_price_summary);
    do $migration$
    begin
      -- A view that was never filled cannot be read. What the rows lack, the first refresh brings: it computes every week.
      if (select relispopulated from pg_class where oid = 'weekly_price_summary'::regclass) then
        insert into weekly_price_summary_table select * from weekly_price_summary;
      end if;
    end
    $migration$;
    alter table weekly_price_summary_table add constraint weekly_price_summary_table_key primary key (stock_id, week);
    create index weekly_price_summary_week_idx on weekly_price_summary_table (week);
    analyze weekly_price_summary_table;`);
  pgm.sql(handOverPrivileges("weekly_price_summary", "weekly_price_summary_table"));
  pgm.sql(`
    drop materialized view weekly_price_summary;
    alter table weekly_price_summary_table rename to weekly_price_summary;
    alter table weekly_price_summary rename constraint weekly_price_summary_table_key to weekly_price_summary_key;
    comment on table weekly_price_summary is '${comment}';

    alter table summary_change
      add column summaries text[] not null default '{daily_market_summary,weekly_price_summary}';
    comment on table summary_change is 'days whose prices changed, and the summaries that lack them';
    comment on function note_all_prices_changed is 'lets the next refresh of each summary compute all of it anew';
    update summary_refresh set refreshed_at = null where name = 'weekly_price_summary';`);
  pgm.sql(takeChangedDays);
  pgm.sql(replaceInFunction("refresh_daily_market_summary()", takenByOne, takenInTurn));
  pgm.sql(replaceInFunction("note_sector_change()", notedForAll, notedForDays));
  pgm.sql(refresh);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create materialized view weekly_price_summary_view as
    ${summed("packed.price_history")};
    create unique index weekly_price_summary_view_key on weekly_price_summary_view (stock_id, week);
    comment on materialized view weekly_price_summary_view is '${comment}';`);
  pgm.sql(handOverPrivileges("weekly_price_summary", "weekly_price_summary_view"));
  pgm.sql(`
    drop function refresh_weekly_price_summary();
    drop table weekly_price_summary;
    alter materialized view weekly_price_summary_view rename to weekly_price_summary;
    alter index weekly_price_summary_view_key rename to weekly_price_summary_key;`);
  pgm.sql(replaceInFunction("note_sector_change()", notedForDays, notedForAll));
  pgm.sql(replaceInFunction("refresh_daily_market_summary()", takenInTurn, takenByOne));
  pgm.sql(`
    drop function take_changed_days(text);
    delete from summary_change where not 'daily_market_summary' = any (summaries);
    alter table summary_change drop column summaries;
    comment on table summary_change is 'days whose prices changed and that are not in daily_market_summary yet';
    comment on function note_all_prices_changed is
      'lets the next refresh compute every day of daily_market_summary anew';`);
}

const comment = "per stock and ISO week (its Monday): days traded, prices, shares traded, return (0.01 is 1 %)";

// Written out: what was granted on the old relation is granted on the new one.
const handOverPrivileges = (from: string, to: string) => `
    do $migration$
    declare
      privilege record;
    begin
      for privilege in
        select a.privilege_type, a.is_grantable,
               case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee
        from pg_class c cross join lateral aclexplode(c.relacl) a
        where c.oid = '${from}'::regclass and a.grantee <> c.relowner
      loop
        execute format('grant %s on ${to} to %s %s', privilege.privilege_type, privilege.grantee,
                       case when privilege.is_grantable then 'with grant option' end);
      end loop;
    end
    $migration$;`;

// How the refresh of the other summary takes what is noted, before and after.
const takenByOne = `with taken as (delete from public.summary_change returning days)
    select range_agg(days) into changed from taken;`;
const takenInTurn = "changed := public.take_changed_days('daily_market_summary');";

// A week's prices know no sector.
const notedForAll = "perform note_all_prices_changed();";
const notedForDays = "insert into summary_change (days, summaries) values ('{(,)}', '{daily_market_summary}');";

const replaceInFunction = (name: string, from: string, to: string) => `
    do $migration$
    declare
      definition constant text := pg_get_functiondef('${name}'::regprocedure);
    begin
      if position($from$${from}$from$ in definition) = 0 then
        raise exception 'the function ${name} is not as an earlier migration left it';
      end if;
      execute replace(definition, $from$${from}$from$, $to$${to}$to$);
    end
    $migration$;`;

const takeChangedDays = `
  create function take_changed_days(summary text) returns datemultirange
  language plpgsql set search_path = public, pg_temp as $$
  declare
    changed datemultirange;
  begin
    -- One refresh at a time, of all summaries: they change the same rows. Those who note changes only add some.
    perform from summary_refresh order by name for update;
    with taken as (
      update summary_change set summaries = array_remove(summaries, summary) where summary = any (summaries) returning days
    )
    select range_agg(days) into changed from taken;
    delete from summary_change where summaries = '{}';
    return changed;
  end
  $$;
  comment on function take_changed_days is 'the days that changed and that a summary lacks; it has them from here on';`;

/** The query of the summary. @param prices what it reads, and of which days */
function summed(prices: string): string {
  return `with weeks as (
      select stock_id,
             date_trunc('week', date::timestamp)::date as week,
             count(*)::integer as days,
             (array_agg(coalesce(open, close) order by date))[1] as open,
             max(greatest(high, close)) as high,
             min(least(low, close)) as low,
             (array_agg(close order by date desc))[1] as close,
             (array_agg(coalesce(adjusted_close, close) order by date desc))[1] as adjusted_close,
             sum(volume)::bigint as volume
      from ${prices}
      group by stock_id, date_trunc('week', date::timestamp)
    )
    select *,
           case when week - lag(week) over stock <= 14
             then adjusted_close::double precision / nullif(lag(adjusted_close) over stock, 0)::double precision - 1
           end as return
    from weeks
    window stock as (partition by stock_id order by week)`;
}

// A return is that since the stock's week before, at most two weeks earlier. So a changed week also changes the returns
// of the two after it, and two before it have to be read. Ranges of weeks that touch are one; each is computed by itself,
// so that the other partitions are left out. Rows that stay as they are are not written.
const refresh = `
  create function refresh_weekly_price_summary() returns integer
  language plpgsql
  -- The schema packed may have a view of price_history that has the packed rows too.
  set search_path = packed, public, pg_temp as $$
  declare
    changed datemultirange;
    run daterange;
    first date;
    past date;
    computed integer;
    number integer := 0;
  begin
    changed := public.take_changed_days('weekly_price_summary');
    if (select refreshed_at is null from public.summary_refresh where name = 'weekly_price_summary') then
      changed := '{(,)}';
    end if;
    for run in
      select unnest(range_agg(daterange(date_trunc('week', lower(day)::timestamp)::date,
                                        date_trunc('week', upper(day)::timestamp - interval '1 day')::date + 21)))
      from unnest(changed) as day
    loop
      first := coalesce(lower(run), '-infinity');
      past := coalesce(upper(run), 'infinity');
      with summed as (
        select * from (
          ${summed("price_history where date >= first - 14 and date < past")}
        ) as read
        where week >= first
      ),
      gone as (
        delete from public.weekly_price_summary w
        where week >= first and week < past
          and not exists (select from summed s where s.stock_id = w.stock_id and s.week = w.week)
      ),
      written as (
        insert into public.weekly_price_summary as w
        select * from summed
        on conflict (stock_id, week) do update set
          days = excluded.days, open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
          adjusted_close = excluded.adjusted_close, volume = excluded.volume, return = excluded.return
        where w is distinct from excluded
      )
      select count(distinct week) into computed from summed;
      number := number + computed;
    end loop;
    update public.summary_refresh set refreshed_at = clock_timestamp() where name = 'weekly_price_summary';
    return number;
  end
  $$;
  comment on function refresh_weekly_price_summary is
    'brings weekly_price_summary up to date, computing only the weeks that changed; returns how many';`;
