import type { MigrationBuilder } from "node-pg-migrate";

/**
 * A place for old prices that takes an eighth of the space: `packed.price_history` reads as price_history does, with the
 * packed rows. A session whose search_path is `packed, public` reads it by the old name.
 *
 * A chunk holds half a year of a stock as one string of bits: every row is `stride` bits, every column a field of
 * it as narrow as the chunk allows. A field counts from the chunk's least value in steps of the largest unit that divides
 * all (frame of reference). An adjusted close that is the close throughout a chunk has no field. Nothing else is counted
 * from another column or row: it would save a fifth of the space, and cost a second look for every value. So any value of
 * any row is found at once, columns that nobody asks for cost nothing, and nothing depends on how the server compresses.
 * The dates stand in a table of their own, once for all stocks: a condition on the date is a join with it, and prunes
 * chunks without a word from the query.
 *
 * A row that is written to a packed period is a plain row again: the trigger takes it out of its chunk in the same
 * transaction. So no row is ever in both, and the view need not compare.
 * https://www.postgresql.org/docs/current/functions-bitstring.html
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create schema packed;
    comment on schema packed is 'price_history with its old rows packed; set search_path to packed, public to read it by its name';

    create aggregate packed.join_bits(bit varying) (sfunc = bitcat, stype = bit varying, initcond = '');
    create aggregate packed.common_divisor(bigint) (
      sfunc = gcd, stype = bigint, initcond = '0', combinefunc = gcd, parallel = safe
    );

    create function packed.period_of(date) returns date
    language sql immutable parallel safe as $$
      select make_date(extract(year from $1)::integer, (extract(month from $1)::integer - 1) / 6 * 6 + 1, 1)
    $$;
    comment on function packed.period_of is 'the half-year of a date, by its first day';

    create table packed.price_history_day (
      period date not null,
      n integer not null,
      date date not null unique,
      primary key (period, n)
    );
    comment on table packed.price_history_day is 'the days of each packed period, numbered from 0: the place of a row in its chunk';

    create table packed.price_history_chunk (
      checksum bigint not null,
      ${columns.map(({ name }) => `${name}_base bigint not null,`).join("\n      ")}
      period date not null,
      stock_id integer not null references stocks,
      stride integer not null,
      ${columns.map(({ name }) => `${name}_unit integer not null,`).join("\n      ")}
      rows smallint not null,
      ${columns.map(({ name }) => `${name}_at smallint not null,\n      ${name}_bits smallint not null,`).join("\n      ")}
      ${nullable.map(({ name }) => `${name}_nulls boolean not null,`).join("\n      ")}
      adjusted_close_same boolean not null,
      present bit varying,
      bits bit varying not null,
      primary key (stock_id, period)
    ) with (toast_tuple_target = 8160, fillfactor = 100, parallel_workers = 4);
    -- The planner counts pages, of which these have hundreds of rows each: by itself it would not share the work out.
    -- In the row, as it is: whoever reads one value must not have to unpack them all.
    alter table packed.price_history_chunk alter column bits set storage main, alter column present set storage main;
    create index price_history_chunk_period_idx on packed.price_history_chunk (period);
    comment on table packed.price_history_chunk is 'half a year of prices of a stock, packed';
    comment on column packed.price_history_chunk.present is 'a bit for each day: whether the chunk holds its row; null: all';
    comment on column packed.price_history_chunk.checksum is 'exclusive or of packed.price_history_hash of the rows';

    create function packed.price_history_hash(stock_id integer, date date, open numeric, high numeric, low numeric,
                                              close numeric, adjusted_close numeric, volume bigint)
    returns bigint
    language sql immutable parallel safe as $$
      select hashtextextended(row(stock_id, date - date '2000-01-01', open, high, low, close, adjusted_close, volume)::text, 0)
    $$;

    create view packed.price_history_packed as
    select c.stock_id, d.date, ${order.map((name) => `${decoded(name)} as ${name}`).join(",\n           ")}
    from packed.price_history_chunk c
    join packed.price_history_day d on d.period = c.period
    where c.present is null or get_bit(c.present, d.n) = 1;
    comment on view packed.price_history_packed is 'the packed rows';

    create view packed.price_history as
    select stock_id, date, ${order.join(", ")} from public.price_history
    union all
    select stock_id, date, ${order.join(", ")} from packed.price_history_packed;
    comment on view packed.price_history is 'every price, plain or packed';`);
  pgm.sql(grantToReaders);
  pgm.sql(writtenTrigger);
  pgm.sql(pack);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    do $migration$
    begin
      lock table packed.price_history_chunk in access exclusive mode;
      if exists (select from packed.price_history_chunk) then
        raise exception 'there are packed prices, which would be lost'
          using hint = 'Unpack them first: toolkit compress unpack.';
      end if;
    end
    $migration$;
    drop view packed.price_history;
    drop function packed.pack_price_history(date, date, date);
    do $migration$
    declare
      partition regclass;
    begin
      for partition in select tgrelid::regclass from pg_trigger where tgfoid = 'packed.price_history_written()'::regprocedure loop
        execute format('drop trigger packed_row_replaced on %s', partition);
      end loop;
    end
    $migration$;
    drop function packed.price_history_written();
    drop view packed.price_history_packed;
    drop function packed.price_history_hash(integer, date, numeric, numeric, numeric, numeric, numeric, bigint);
    drop table packed.price_history_chunk, packed.price_history_day;
    drop function packed.period_of(date);
    drop aggregate packed.common_divisor(bigint);
    drop aggregate packed.join_bits(bit varying);
    drop schema packed;`);
}

interface Column {
  name: string;
  /** How a row's value is made an integer, and a chunk's integer a value again. */
  toInteger: (value: string) => string;
  fromInteger: (value: string) => string;
  nullable: boolean;
}

// numeric(18,6): a whole number of millionths, below 10^18, hence a bigint; six decimals come back by the product.
const price = {
  toInteger: (value: string) => `(${value} * 1000000)::bigint`,
  fromInteger: (value: string) => `(${value})::numeric * 0.000001`,
};
const shares = { toInteger: (value: string) => value, fromInteger: (value: string) => value };

const columns: Column[] = [
  { name: "close", ...price, nullable: false },
  ...["open", "high", "low", "adjusted_close"].map((name) => ({ name, ...price, nullable: true })),
  { name: "volume", ...shares, nullable: true },
];
const nullable = columns.filter((column) => column.nullable);
const order = ["open", "high", "low", "close", "adjusted_close", "volume"];

/** The integer of a column in row d.n of chunk c. A field that may be null has a bit before it that says so. */
function field({ name, nullable }: Column): string {
  const at = `d.n * c.stride + c.${name}_at`;
  const value = `c.${name}_base + c.${name}_unit * substring(c.bits from ${at} for c.${name}_bits)::bigint`;
  return nullable ? `case when c.${name}_nulls and get_bit(c.bits, ${at} - 2) = 1 then null else ${value} end` : value;
}

function decoded(name: string): string {
  const column = columns.find((one) => one.name === name)!;
  const value = column.fromInteger(field(column));
  return name === "adjusted_close"
    ? `case when c.adjusted_close_same then ${decoded("close")} else ${value} end`
    : value;
}

/** The field of a column of row r, by the layout l of its chunk. */
function encoded(name: string): string {
  const [value, base, unit, bits] = [`r.${name}`, `l.${name}_base`, `l.${name}_unit`, `l.${name}_bits`];
  return `
               case when l.${name}_nulls then (${value} is null)::integer::bit(1) else b'' end ||
               case when ${value} is null then repeat('0', ${bits})::bit varying
                 else substring(((${value} - ${base}) / ${unit})::bit(64) from 65 - ${bits} for ${bits}) end`;
}

/** Whoever reads plain prices reads packed ones. */
const grantToReaders = `
  do $migration$
  declare
    reader text;
  begin
    for reader in
      select distinct case grantee when 0 then 'public' else grantee::regrole::text end
      from pg_class, aclexplode(relacl)
      where oid = 'public.price_history'::regclass and privilege_type = 'SELECT' and grantee <> relowner
    loop
      execute format('grant usage on schema packed to %s', reader);
      execute format('grant select on packed.price_history, packed.price_history_packed to %s', reader);
    end loop;
  end
  $migration$;`;

const writtenTrigger = `
  create function packed.price_history_written() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    update packed.price_history_chunk c
    set present = set_bit(coalesce(c.present, repeat('1', (select count(*)::integer from packed.price_history_day a
                                                           where a.period = c.period))::bit varying), d.n, 0),
        rows = c.rows - 1,
        checksum = c.checksum # (
          select packed.price_history_hash(p.stock_id, p.date, p.open, p.high, p.low, p.close, p.adjusted_close, p.volume)
          from packed.price_history_packed p where p.stock_id = c.stock_id and p.date = d.date)
    from packed.price_history_day d
    where d.date = new.date and c.stock_id = new.stock_id and c.period = d.period
      and (c.present is null or get_bit(c.present, d.n) = 1);
    return null;
  end
  $$;
  comment on function packed.price_history_written is 'a plain row that is written takes the place of the packed one';`;

/** The least value of a bigint has no divisor, for it has no absolute value. */
const least = "-9223372036854775808";

const pack = `
  create function packed.pack_price_history(period_ date, from_date date, to_date date) returns bigint
  language plpgsql as $$
  declare
    packed_rows bigint;
    day_count bigint;
    expected numeric;
    found_rows bigint;
    found_sum numeric;
  begin
    -- What it deletes stays readable: no summary of prices has to be computed anew for it. Not by SET of the function,
    -- which takes a superuser for a setting of our own.
    perform set_config('price_history.rows_only_move', 'on', true);
    create temporary table packing on commit drop as
    select *, packed.price_history_hash(stock_id, date, open, high, low, close, adjusted_close, volume) as hash
    from packed.price_history
    where date >= from_date and date < to_date;
    analyze packing;
    select count(*), sum(hash) into packed_rows, expected from packing;

    delete from packed.price_history_chunk where period = period_;
    delete from packed.price_history_day where period = period_;
    delete from public.price_history where date >= from_date and date < to_date;
    insert into packed.price_history_day (period, n, date)
    select period_, row_number() over (order by date) - 1, date from (select distinct date from packing) as days;
    get diagnostics day_count = row_count;
    analyze packed.price_history_day;

    insert into packed.price_history_chunk
      (period, stock_id, rows, checksum, stride, present, bits,
       ${columns.map(({ name }) => `${name}_base, ${name}_unit, ${name}_at, ${name}_bits`).join(", ")},
       ${nullable.map(({ name }) => `${name}_nulls`).join(", ")}, adjusted_close_same)
    with numbers as materialized (
      select stock_id, date, hash, ${columns
        .map(({ name, toInteger }) => `${toInteger(name)} as ${name}`)
        .join(",\n             ")}
      from packing
    ),
    ranges as (
      select stock_id, count(*) as rows, bit_xor(hash) as checksum,
             bool_and(adjusted_close is not distinct from close) as adjusted_close_same, ${columns
               .map(
                 ({ name }) => `
             coalesce(min(${name}), 0) as ${name}_min, coalesce(max(${name}), 0) as ${name}_max,
             greatest(gcd(packed.common_divisor(case ${name} when ${least} then 1 else ${name} end), 1000000), 1) as ${name}_unit,
             bool_or(${name} is null) as ${name}_nulls`,
               )
               .join(",")}
      from numbers group by stock_id
    ),
    frames as (
      select *, ${columns
        .map(
          ({ name }) => `
             case when ${name}_max::numeric - ${name}_min > 9223372036854775807 then 0 else ${name}_min end as ${name}_base,
             case when ${name === "adjusted_close" ? "adjusted_close_same then 0 when " : ""}${name}_max::numeric - ${name}_min > 9223372036854775807 then 64
               else length(ltrim(trunc((${name}_max::numeric - ${name}_min) / ${name}_unit)::bigint::bit(64)::text, '0')) end as ${name}_bits`,
        )
        .join(",")}
      from ranges
    ),
    layouts as materialized (
      select f.*, ${columns.map(({ name }) => `${name}_at`).join(", ")}, last_at - 1 as stride
      from frames f
      ${columns
        .map(({ name }, index) => {
          const before = columns[index - 1]?.name;
          const start = before ? `${before}_at + ${before}_bits` : "1";
          return `cross join lateral (select ${start} + ${name}_nulls::integer as ${name}_at) as of_${name}`;
        })
        .join("\n      ")}
      cross join lateral (select ${columns.at(-1)!.name}_at + ${columns.at(-1)!.name}_bits as last_at) as of_end
    ),
    strings as (
      select l.stock_id,
             packed.join_bits(case when r.date is null then b'0' else b'1' end order by d.n)
               filter (where l.rows < day_count) as present,
             packed.join_bits(case when r.date is null then repeat('0', l.stride)::bit varying else
               ${columns.map(({ name }) => encoded(name)).join(" ||\n               ")} end order by d.n) as bits
      from layouts l
      join packed.price_history_day d on d.period = period_
      left join numbers r on r.stock_id = l.stock_id and r.date = d.date
      group by l.stock_id
    )
    select period_, l.stock_id, l.rows, l.checksum, l.stride, nullif(s.present, b''), s.bits,
           ${columns.map(({ name }) => `l.${name}_base, l.${name}_unit, l.${name}_at, l.${name}_bits`).join(",\n           ")},
           ${nullable.map(({ name }) => `l.${name}_nulls`).join(", ")}, l.adjusted_close_same
    from layouts l join strings s on s.stock_id = l.stock_id
    order by l.stock_id;

    -- What was packed is read back, before anybody depends on it.
    select count(*), sum(packed.price_history_hash(stock_id, date, open, high, low, close, adjusted_close, volume))
    into found_rows, found_sum
    from packed.price_history where date >= from_date and date < to_date;
    if found_rows <> packed_rows or found_sum is distinct from expected then
      raise exception 'the packed rows of % are not those that were packed', period_ using errcode = 'data_corrupted';
    end if;
    drop table packing;
    perform set_config('price_history.rows_only_move', 'off', true);
    return packed_rows;
  end
  $$;
  comment on function packed.pack_price_history is
    'packs the rows of a period from one date to before another, the plain ones and those packed before; the caller locks';`;
