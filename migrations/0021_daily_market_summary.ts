import type { MigrationBuilder } from "node-pg-migrate";

/**
 * One row for each day and sector, and one for each day over all sectors. A return is that of the adjusted close since
 * the stock's previous price, where that is at most seven days old: the longest pause of the New York exchange since
 * 1950, in September 2001, had seven. So a monthly series counts as a stock without a return.
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create materialized view daily_market_summary as
    with prices as (
      select stock_id, date, volume,
             coalesce(adjusted_close, close)::double precision as price,
             lag(coalesce(adjusted_close, close)::double precision) over stock as price_before,
             date - lag(date) over stock as days
      from price_history
      window stock as (partition by stock_id order by date)
    ),
    returns as (
      select stock_id, date, volume, case when days <= 7 then price / nullif(price_before, 0) - 1 end as return
      from prices
    )
    select r.date,
           case grouping(e.name) when 1 then 'All' else coalesce(e.name, 'Unclassified') end as sector,
           count(*)::integer as stocks,
           (count(*) filter (where r.return > 0))::integer as advancers,
           (count(*) filter (where r.return < 0))::integer as decliners,
           (count(*) filter (where r.return = 0))::integer as unchanged,
           avg(r.return) as average_return,
           max(r.return) as best_return,
           min(r.return) as worst_return,
           sum(r.volume)::bigint as volume
    from returns r
    join stocks s on s.id = r.stock_id
    left join sectors e on e.id = s.sector_id
    group by grouping sets ((r.date), (r.date, e.name));

    create unique index daily_market_summary_key on daily_market_summary (date, sector);
    comment on materialized view daily_market_summary is
      'per day and sector, and per day over all: stocks, advancers, decliners, returns (0.01 is 1 %), shares traded';`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql("drop materialized view daily_market_summary;");
}
