import type { MigrationBuilder } from "node-pg-migrate";

/**
 * Partitions price_history by month. The key becomes (stock_id, date), and the surrogate id goes: nothing refers to
 * it, and it costs 8 bytes a row and an index. Rows are copied in the order of the key, so that a stock's month lies
 * together; the keys are added to the full table, which is faster and checks every row.
 * Reads go on until the tables are exchanged; writes wait. A table that is too large for that is converted before, while
 * it is in use, by the toolkit's command partition; nothing is left to do here then.
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    do $migration$
    begin
      if (select relkind from pg_class where oid = 'price_history'::regclass) = 'p' then
        perform create_partitions_ahead('price_history', 12);
        return;
      end if;
      if exists (select from pg_trigger where tgrelid = 'price_history'::regclass and tgname ^@ 'partitioning_') then
        raise exception 'price_history is being converted to partitions while it is in use'
          using hint = 'Let it end, by toolkit partition price_history, or give it up, with --cleanup.';
      end if;

      lock table price_history in exclusive mode;
      create schema being_partitioned;

      create table being_partitioned.price_history (
        stock_id integer not null,
        date date not null,
        open numeric(18,6),
        high numeric(18,6),
        low numeric(18,6),
        close numeric(18,6) not null,
        adjusted_close numeric(18,6),
        volume bigint
      ) partition by range (date);

      -- Only months that have prices: one mistyped year must not make hundreds of partitions.
      perform ensure_partitions('being_partitioned.price_history', min(month), max(month))
      from (select month, month - row_number() over (order by month) * interval '1 month' as run
            from (select distinct date_trunc('month', date::timestamp)::date as month from price_history) as used) as months
      group by run;

      insert into being_partitioned.price_history (stock_id, date, open, high, low, close, adjusted_close, volume)
      select stock_id, date, open, high, low, close, adjusted_close, volume from price_history order by stock_id, date;

      alter table being_partitioned.price_history
        add constraint price_history_pkey primary key (stock_id, date),
        add constraint price_history_stock_id_fkey foreign key (stock_id) references stocks;

      perform replace_table('price_history', 'being_partitioned.price_history');
      drop schema being_partitioned;
      perform create_partitions_ahead('price_history', 12);
      analyze price_history;
    end
    $migration$;`);
}

/** Puts the plain table back, with its id numbered anew. */
export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    lock table price_history in exclusive mode;
    create schema being_merged;

    create table being_merged.price_history (
      id bigserial primary key,
      stock_id integer not null,
      date date not null,
      open numeric(18,6),
      high numeric(18,6),
      low numeric(18,6),
      close numeric(18,6) not null,
      adjusted_close numeric(18,6),
      volume bigint
    );

    insert into being_merged.price_history (stock_id, date, open, high, low, close, adjusted_close, volume)
    select stock_id, date, open, high, low, close, adjusted_close, volume from price_history order by stock_id, date;

    alter table being_merged.price_history
      add constraint price_history_stock_id_fkey foreign key (stock_id) references stocks;
    create unique index price_history_stock_id_date_key on being_merged.price_history (stock_id, date desc);

    select replace_table('price_history', 'being_merged.price_history');
    drop schema being_merged;
    analyze price_history;`);
}
