import type { MigrationBuilder } from "node-pg-migrate";

/** Partitions technical_indicators by month, as price_history, if it is not yet; the screener's index comes along. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    do $migration$
    begin
      if (select relkind from pg_class where oid = 'technical_indicators'::regclass) = 'p' then
        perform create_partitions_ahead('technical_indicators', 12);
        return;
      end if;
      if exists (select from pg_trigger where tgrelid = 'technical_indicators'::regclass and tgname ^@ 'partitioning_') then
        raise exception 'technical_indicators is being converted to partitions while it is in use'
          using hint = 'Let it end, by toolkit partition technical_indicators, or give it up, with --cleanup.';
      end if;

      lock table technical_indicators in exclusive mode;
      create schema being_partitioned;

      create table being_partitioned.technical_indicators (
        stock_id integer not null,
        date date not null,
        ${indicatorColumns}
      ) partition by range (date);

      perform ensure_partitions('being_partitioned.technical_indicators', min(month), max(month))
      from (select month, month - row_number() over (order by month) * interval '1 month' as run
            from (select distinct date_trunc('month', date::timestamp)::date as month
                  from technical_indicators) as used) as months
      group by run;

      insert into being_partitioned.technical_indicators (stock_id, date, ${indicatorNames})
      select stock_id, date, ${indicatorNames} from technical_indicators order by stock_id, date;

      alter table being_partitioned.technical_indicators
        add constraint technical_indicators_pkey primary key (stock_id, date),
        add constraint technical_indicators_stock_id_fkey foreign key (stock_id) references stocks;
      create index technical_indicators_date_rsi_14_idx on being_partitioned.technical_indicators (date, rsi_14);

      perform replace_table('technical_indicators', 'being_partitioned.technical_indicators');
      drop schema being_partitioned;
      perform create_partitions_ahead('technical_indicators', 12);
      analyze technical_indicators;
    end
    $migration$;`);
}

/** Puts the plain table back, with its id numbered anew. */
export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    lock table technical_indicators in exclusive mode;
    create schema being_merged;

    create table being_merged.technical_indicators (
      id bigserial primary key,
      stock_id integer not null,
      date date not null,
      ${indicatorColumns}
    );

    insert into being_merged.technical_indicators (stock_id, date, ${indicatorNames})
    select stock_id, date, ${indicatorNames} from technical_indicators order by stock_id, date;

    alter table being_merged.technical_indicators
      add constraint technical_indicators_stock_id_fkey foreign key (stock_id) references stocks;
    create unique index technical_indicators_stock_id_date_key
      on being_merged.technical_indicators (stock_id, date desc);
    create index technical_indicators_date_rsi_14_idx on being_merged.technical_indicators (date, rsi_14);

    select replace_table('technical_indicators', 'being_merged.technical_indicators');
    drop schema being_merged;
    analyze technical_indicators;`);
}

const indicators = [
  ...["rsi_14", "macd", "macd_signal", "macd_histogram"],
  ...["sma_20", "sma_50", "sma_200", "ema_12", "ema_26"],
  ...["bollinger_upper", "bollinger_middle", "bollinger_lower"],
];
const indicatorNames = indicators.join(", ");
const indicatorColumns = indicators.map((name) => `${name} double precision`).join(",\n      ");
