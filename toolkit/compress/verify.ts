import type { Queryable } from "../queryable.ts";
import { requireStore } from "./store.ts";

/** What a verification found. */
export interface Verified {
  rows: number;
  chunks: number;
  /** Chunks whose rows are not those that were packed, as "stock_id period". */
  damaged: string[];
  /** Rows that are both plain and packed. */
  doubled: number;
}

/** Unpacks every chunk, writing nothing, and compares its rows with the checksum taken of them when they were plain. */
export async function verify(client: Queryable): Promise<Verified> {
  await requireStore(client);
  const { rows } = await client.query<Verified>(
    `with found as (
       select stock_id, packed.period_of(date) as period, count(*) as rows,
              bit_xor(packed.price_history_hash(stock_id, date, open, high, low, close, adjusted_close, volume)) as checksum
       from packed.price_history_packed group by 1, 2
     )
     select coalesce(sum(f.rows), 0)::float8 as rows, count(*)::int as chunks,
            coalesce(array_agg(c.stock_id || ' ' || c.period order by c.stock_id, c.period)
                       filter (where (c.rows, c.checksum) is distinct from (coalesce(f.rows, 0), coalesce(f.checksum, 0))),
                     '{}') as damaged,
            (select count(*) from public.price_history p
             join packed.price_history_packed q on q.stock_id = p.stock_id and q.date = p.date
             where p.date <= (select max(date) from packed.price_history_day))::float8 as doubled
     from packed.price_history_chunk c left join found f using (stock_id, period)`,
  );
  return rows[0]!;
}

/** The chunks of a half-year whose rows are not those that were packed, as "stock_id period". */
export async function damagedChunks(client: Queryable, period: string): Promise<string[]> {
  const { rows } = await client.query<{ chunk: string }>(
    `select c.stock_id || ' ' || c.period as chunk
     from packed.price_history_chunk c
     left join (
       select stock_id, count(*) as rows,
              bit_xor(packed.price_history_hash(stock_id, date, open, high, low, close, adjusted_close, volume)) as checksum
       from packed.price_history_packed
       where date >= $1::date and date < ($1::date + interval '6 months')::date group by stock_id
     ) f using (stock_id)
     where c.period = $1 and (c.rows, c.checksum) is distinct from (coalesce(f.rows, 0), coalesce(f.checksum, 0))
     order by c.stock_id`,
    [period],
  );
  return rows.map(({ chunk }) => chunk);
}
