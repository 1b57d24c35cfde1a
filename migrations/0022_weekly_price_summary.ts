import type { MigrationBuilder } from "node-pg-migrate";

/**
 * One row for each stock and ISO week (Monday to Sunday) with prices. The return is that of the adjusted close since
 * the stock's previous week with prices, where at most one week lies between the two.
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create materialized view weekly_price_summary as
    with weeks as (
      select stock_id,
             date_trunc('week', date::timestamp)::date as week,
             count(*)::integer as days,
             (array_agg(coalesce(open, close) order by date))[1] as open,
             max(greatest(high, close)) as high,
             min(least(low, close)) as low,
             (array_agg(close order by date desc))[1] as close,
             (array_agg(coalesce(adjusted_close, close) order by date desc))[1] as adjusted_close,
             sum(volume)::bigint as volume
      from price_history
      group by stock_id, date_trunc('week', date::timestamp)
    )
    select *,
           case when week - lag(week) over stock <= 14
             then adjusted_close::double precision / nullif(lag(adjusted_close) over stock, 0)::double precision - 1
           end as return
    from weeks
    window stock as (partition by stock_id order by week);

    create unique index weekly_price_summary_key on weekly_price_summary (stock_id, week);
    comment on materialized view weekly_price_summary is
      'per stock and ISO week (its Monday): days traded, prices, shares traded, return (0.01 is 1 %)';`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql("drop materialized view weekly_price_summary;");
}
