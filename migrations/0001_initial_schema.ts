import type { MigrationBuilder } from "node-pg-migrate";

/**
 * The tables as the application's ORM made them: surrogate keys, foreign keys, natural keys where it looks rows up by
 * name, and no index that nobody had asked for yet.
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create table sectors (
      id serial primary key,
      name text not null unique
    );

    create table stocks (
      id serial primary key,
      symbol text not null unique,
      name text not null,
      sector_id integer references sectors,
      exchange text,
      currency text not null default 'USD',
      listed_on date,
      delisted_on date,
      created_at timestamptz not null default now()
    );

    create table price_history (
      id bigserial primary key,
      stock_id integer not null references stocks,
      date date not null,
      open numeric(18,6),
      high numeric(18,6),
      low numeric(18,6),
      close numeric(18,6) not null,
      adjusted_close numeric(18,6),
      volume bigint
    );

    create table technical_indicators (
      id bigserial primary key,
      stock_id integer not null references stocks,
      date date not null,
      rsi_14 double precision,
      macd double precision,
      macd_signal double precision,
      macd_histogram double precision,
      sma_20 double precision,
      sma_50 double precision,
      sma_200 double precision,
      ema_12 double precision,
      ema_26 double precision,
      bollinger_upper double precision,
      bollinger_middle double precision,
      bollinger_lower double precision
    );

    create table recommendations (
      id bigserial primary key,
      stock_id integer not null references stocks,
      action text not null,
      confidence double precision not null,
      target_price numeric(18,6),
      reasoning text,
      is_active boolean not null default true,
      created_at timestamptz not null default now(),
      expires_at timestamptz
    );

    create table fundamentals (
      id bigserial primary key,
      stock_id integer not null references stocks,
      period_end date not null,
      reported_on date,
      revenue numeric(24,2),
      net_income numeric(24,2),
      earnings_per_share numeric(18,6),
      shares_outstanding bigint,
      market_cap numeric(24,2),
      price_to_earnings double precision,
      price_to_book double precision,
      debt_to_equity double precision,
      dividend_yield double precision
    );

    create table api_usage (
      id bigserial primary key,
      provider text not null,
      endpoint text not null,
      called_at timestamptz not null default now(),
      status integer not null,
      latency_ms integer,
      cost numeric(12,6) not null default 0,
      tokens integer,
      rate_limit integer,
      rate_limit_remaining integer,
      rate_limit_resets_at timestamptz,
      error text
    );

    create table portfolios (
      id serial primary key,
      owner text not null,
      name text not null,
      currency text not null default 'USD',
      created_at timestamptz not null default now()
    );

    create table holdings (
      id bigserial primary key,
      portfolio_id integer not null references portfolios on delete cascade,
      stock_id integer not null references stocks,
      quantity numeric(18,6) not null,
      purchase_price numeric(18,6),
      purchased_on date
    );

    create table watchlists (
      id serial primary key,
      owner text not null,
      name text not null,
      created_at timestamptz not null default now()
    );

    create table watchlist_items (
      id bigserial primary key,
      watchlist_id integer not null references watchlists on delete cascade,
      stock_id integer not null references stocks,
      added_at timestamptz not null default now(),
      note text
    );`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    drop table watchlist_items, watchlists, holdings, portfolios, api_usage, fundamentals, recommendations,
               technical_indicators, price_history, stocks, sectors;`);
}
