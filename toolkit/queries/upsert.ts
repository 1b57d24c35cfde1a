import { UserError } from "../errors.ts";
import type { Queryable } from "../queryable.ts";
import { isDay } from "./options.ts";
import { packedPrices } from "./sql.ts";

/** A price to store. Numbers may come as text, to keep every digit; what is left out is null. */
export interface PriceInput {
  stockId: number;
  /** YYYY-MM-DD */
  date: string;
  open?: number | string | null;
  high?: number | string | null;
  low?: number | string | null;
  close: number | string;
  adjustedClose?: number | string | null;
  volume?: number | string | null;
}

/** A day's indicators to store; what is left out is null. */
export interface IndicatorInput {
  stockId: number;
  /** YYYY-MM-DD */
  date: string;
  rsi14?: number | null;
  macd?: number | null;
  macdSignal?: number | null;
  macdHistogram?: number | null;
  sma20?: number | null;
  sma50?: number | null;
  sma200?: number | null;
  ema12?: number | null;
  ema26?: number | null;
  bollingerUpper?: number | null;
  bollingerMiddle?: number | null;
  bollingerLower?: number | null;
}

/** What became of the rows. */
export interface Upserted {
  inserted: number;
  updated: number;
  /** Stored already, as they are: nothing was written. */
  unchanged: number;
  /** Months whose partitions were made. */
  partitions: number;
}

interface Column {
  key: string;
  name: string;
  type: string;
}

const numeric = (key: string, name = key): Column => ({ key, name, type: "numeric(18,6)" });
const double = (key: string, name = key): Column => ({ key, name, type: "double precision" });

const priceColumns: Column[] = [
  numeric("open"),
  numeric("high"),
  numeric("low"),
  numeric("close"),
  numeric("adjustedClose", "adjusted_close"),
  { key: "volume", name: "volume", type: "bigint" },
];

const indicatorColumns: Column[] = [
  double("rsi14", "rsi_14"),
  double("macd"),
  double("macdSignal", "macd_signal"),
  double("macdHistogram", "macd_histogram"),
  double("sma20", "sma_20"),
  double("sma50", "sma_50"),
  double("sma200", "sma_200"),
  double("ema12", "ema_12"),
  double("ema26", "ema_26"),
  double("bollingerUpper", "bollinger_upper"),
  double("bollingerMiddle", "bollinger_middle"),
  double("bollingerLower", "bollinger_lower"),
];

/**
 * Stores prices: new ones are inserted, different ones updated, equal ones left alone; of two for one stock and day the
 * last counts. Missing partitions are made first. Each batch is one statement; all or none only in the caller's
 * transaction, and repeating after a failure is safe.
 * @param options.batch rows in a statement
 * @throws UserError for a row without a stock, a day or a close, and for a stock that does not exist
 */
export const upsertPrices = (db: Queryable, rows: readonly PriceInput[], options: { batch?: number } = {}) =>
  upsert(db, "price_history", priceColumns, rows, options);

/** Stores indicators, as {@link upsertPrices} does prices. */
export const upsertIndicators = (db: Queryable, rows: readonly IndicatorInput[], options: { batch?: number } = {}) =>
  upsert(db, "technical_indicators", indicatorColumns, rows, options);

// Larger batches gain nothing more, and hold their locks for longer.
const defaultBatch = 5_000;

async function upsert(
  db: Queryable,
  table: string,
  columns: Column[],
  given: readonly (PriceInput | IndicatorInput)[],
  { batch = defaultBatch }: { batch?: number },
): Promise<Upserted> {
  if (!Number.isInteger(batch) || batch < 1)
    throw new UserError(`a batch of ${batch} rows is not accepted`, { fix: "Give a whole number from 1 on." });
  const rows = lastOfEach(table, given);
  const result = { inserted: 0, updated: 0, unchanged: 0, partitions: await ensureMonths(db, table, rows) };
  const statement = upsertStatement(table, columns);
  for (let start = 0; start < rows.length; start += batch) {
    const part = rows.slice(start, start + batch);
    const values = [
      part.map(({ stockId }) => stockId),
      part.map(({ date }) => date),
      ...columns.map(({ key }) => part.map((row) => (row as unknown as Record<string, unknown>)[key] ?? null)),
    ];
    const found = await db.query({ name: `upsert_${table}`, text: statement, values }).catch((error) => {
      throw explained(error, table);
    });
    const { inserted, updated } = found.rows[0];
    result.inserted += inserted;
    result.updated += updated;
    result.unchanged += part.length - inserted - updated;
  }
  return result;
}

/** Checks the keys of rows, and keeps the last row of each. In the order of the key, so that two writers never deadlock. */
function lastOfEach<Row extends PriceInput | IndicatorInput>(table: string, rows: readonly Row[]): Row[] {
  const kept = new Map<string, Row>();
  for (const [index, row] of rows.entries()) {
    const wrong = !Number.isInteger(row.stockId)
      ? `stockId ${JSON.stringify(row.stockId)} is no id`
      : typeof row.date !== "string" || !isDay(row.date)
        ? `date ${JSON.stringify(row.date)} is no day as YYYY-MM-DD`
        : table === "price_history" && ((row as PriceInput).close ?? null) === null
          ? "close is missing"
          : undefined;
    if (wrong)
      throw new UserError(`row ${index} for ${table} is not accepted: ${wrong}`, {
        why: "Nothing was written.",
        fix: "Correct the row, or leave it out.",
      });
    kept.set(`${row.stockId} ${row.date}`, row);
  }
  return [...kept.values()].sort((a, b) => a.stockId - b.stockId || (a.date < b.date ? -1 : 1));
}

/** Makes the partitions that rows need: consecutive months take one call together, so that gaps are not filled. */
async function ensureMonths(db: Queryable, table: string, rows: readonly { date: string }[]): Promise<number> {
  const months = [...new Set(rows.map(({ date }) => `${date.slice(0, 7)}-01`))];
  if (months.length === 0) return 0;
  const { rows: made } = await db.query(
    `select coalesce(sum(ensure_partitions($1::regclass, first, last)), 0)::int as made
     from (select min(month) as first, max(month) as last
           from (select month, month - row_number() over (order by month) * interval '1 month' as run
                 from unnest($2::date[]) as month) as months
           group by run) as runs`,
    [table, months],
  );
  return made[0].made;
}

/**
 * Compares first, and writes only what is new or different: ON CONFLICT alone would lock, and so write to, every row.
 * The condition on the update is for a row that another session stored in between.
 * A price may be packed: there a row that is equal is left alone too, and one that is not takes its place.
 */
function upsertStatement(table: string, columns: Column[]): string {
  const names = columns.map(({ name }) => name).join(", ");
  const arrays = ["int[]", "date[]", ...columns.map(({ type }) => `${type}[]`)].map((type, i) => `$${i + 1}::${type}`);
  const of = (source: string) => `row(${columns.map(({ name }) => `${source}.${name}`).join(", ")})`;
  const at = "t.stock_id = g.stock_id and t.date = g.date";
  const places = [
    { name: "plain", sql: `select * from ${table} t where ${at}` },
    ...(table === "price_history"
      ? [{ name: "packed", sql: `select * from ${packedPrices} t where ${at} and plain.stock_id is null` }]
      : []),
  ];
  return `
  with given as materialized (
    select * from unnest(${arrays.join(", ")}) as g (stock_id, date, ${names})
  ),
  fresh as materialized (
    select g.*, ${places.map(({ name }) => `${name}.stock_id`).join(" is not null or ")} is not null as known
    from given g
    ${places.map(({ name, sql }) => `left join lateral (${sql}) ${name} on true`).join("\n    ")}
    where ${places.map(({ name }) => `(${name}.stock_id is null or ${of(name)} is distinct from ${of("g")})`).join(" and ")}
  ),
  written as (
    insert into ${table} (stock_id, date, ${names})
    select stock_id, date, ${names} from fresh order by stock_id, date
    on conflict (stock_id, date) do update set ${columns.map(({ name }) => `${name} = excluded.${name}`).join(", ")}
    where ${of(table)} is distinct from ${of("excluded")}
  )
  select count(*) filter (where not known)::int as inserted, count(*) filter (where known)::int as updated from fresh`;
}

function explained(error: unknown, table: string): unknown {
  const { code, detail } = error as { code?: string; detail?: string };
  if (code !== "23503") return error;
  return new UserError(`a row for ${table} belongs to a stock that does not exist`, {
    why: detail ?? "",
    fix: "Store the stock first.",
    cause: error,
  });
}
