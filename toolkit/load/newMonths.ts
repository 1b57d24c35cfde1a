import type pg from "pg";
import type { Batch } from "./batches.ts";
import { type Displaced, leftMonths, newMonth, publishMonth } from "./publish.ts";
import type { Target } from "./target.ts";

// A foreign key that is checked row by row takes some 4 µs a row, four fifths of the time of storing it; a table of its
// own takes some milliseconds, and one more for each batch.
const fewestRows = 500;

/**
 * Months that price_history does not have yet, and that a load brings many prices of. Each is filled as a table of its
 * own, whose foreign key is checked for all rows at once when it is attached, and is seen by nobody until then. A load that
 * is killed leaves them: whoever fills new months next publishes them first.
 * https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
 */
export class NewMonths {
  #client: pg.Client;
  #target: Target;
  /** How a month may become a partition; what else there is has to see every row. */
  #attach: boolean;
  #hasTurn = false;
  /** Months that are filled apart, with whether their table is there. */
  #filled = new Map<string, boolean>();

  private constructor(client: pg.Client, target: Target, attach: boolean) {
    this.#client = client;
    this.#target = target;
    this.#attach = attach;
  }

  /** Publishes what a killed load has left, and makes ready to fill new months where price_history can take them so. */
  static async open(client: pg.Client, target: Target): Promise<NewMonths> {
    const months = new NewMonths(client, target, target.partitioned && (await canAttach(client)));
    if ((await leftMonths(client)).length > 0) await months.#takeTurn();
    return months;
  }

  /** Chooses which months of a batch are filled apart. Outside the batch's transaction. */
  async choose(batch: Batch): Promise<void> {
    if (!this.#attach) return;
    const large = [...batch.months].filter(([month, rows]) => rows >= fewestRows && !this.#filled.has(month));
    const missing = await this.#missing(large.map(([month]) => month));
    if (missing.length === 0 || !(await this.#takeTurn())) return;
    // Looked at again: what a killed load left may have become partitions.
    for (const month of await this.#missing(missing)) this.#filled.set(month, false);
  }

  /** The table that a month's prices go to, as SQL names it, where it is filled apart. */
  tableOf(month: string): string | undefined {
    return this.#filled.has(month) ? newMonth(month) : undefined;
  }

  /**
   * Makes a month's table around its first rows, inside the batch's transaction: the key is built at once afterwards.
   * @returns false where the table is there already, and nothing was copied
   */
  async create(month: string, copy: () => Promise<void>): Promise<boolean> {
    if (this.#filled.get(month) !== false) return false;
    const table = newMonth(month);
    await this.#client.query(
      `create table ${table} (like price_history including all excluding indexes);
       comment on table ${table} is 'prices of a month that a load fills: the next load attaches what a killed one left'`,
    );
    await copy();
    await this.#client.query(
      `alter table ${table} add constraint price_history_${month.replace("-", "_")}_pkey primary key (stock_id, date)`,
    );
    this.#filled.set(month, true);
    return true;
  }

  /** Months that are filled and of which a batch brought nothing: probably they are complete. */
  notIn(batch: Batch): string[] {
    return [...this.#filled.keys()].filter((month) => !batch.months.has(month));
  }

  /** All months that are filled. */
  all(): string[] {
    return [...this.#filled.keys()];
  }

  /**
   * Lets everybody see a month.
   * @param note gets prices that somebody else has stored meanwhile, in the same transaction
   */
  async publish(month: string, note: (displaced: Displaced) => Promise<void>): Promise<void> {
    await publishMonth(this.#client, this.#target, { month, attach: this.#attach, note });
    this.#filled.delete(month);
  }

  /** One load at a time fills new months; the others store row by row. The turn goes with the session. */
  async #takeTurn(): Promise<boolean> {
    if (this.#hasTurn) return true;
    const { rows } = await this.#client.query(
      "select pg_try_advisory_lock(hashtextextended('load of new months', 0)) as taken",
    );
    if (!rows[0].taken) return false;
    this.#hasTurn = true;
    for (const month of await leftMonths(this.#client)) await this.publish(month, async () => {});
    return true;
  }

  /** The months that no partition covers, whose name is free, and that have no packed prices. */
  async #missing(months: string[]): Promise<string[]> {
    if (months.length === 0) return [];
    const found = await this.#client.query("select to_regclass('packed.price_history_day') is not null as packable");
    const { rows } = await this.#client.query<{ month: string }>(
      `select to_char(month, 'YYYY-MM') as month from unnest($1::date[]) as month
       where not exists (select from partition_bounds('price_history') b
                         where b.from_date < month + interval '1 month' and b.to_date > month)
         and to_regclass($2 || to_char(month, '.price_history_YYYY_MM')) is null
         ${found.rows[0].packable ? "and not exists (select from packed.price_history_day d where d.date >= month and d.date < month + interval '1 month')" : ""}
       order by month`,
      [months.map((month) => `${month}-01`), this.#target.schema],
    );
    return rows.map(({ month }) => month);
  }
}

/**
 * Whether a month of prices may become a partition without anything missing its rows: no default partition that would
 * be read under a lock, no trigger that looks at each row or at more than which days there are, no subscriber of
 * replication, and no condition that only an attempt to attach would find broken.
 */
async function canAttach(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ can: boolean }>(`
    select pg_has_role(c.relowner, 'USAGE') and has_schema_privilege('deploy', 'CREATE') and not c.relforcerowsecurity
       and p.partdefid = 0
       and exists (select from pg_constraint
                   where conrelid = c.oid and contype = 'p' and pg_get_constraintdef(oid) = 'PRIMARY KEY (stock_id, date)')
       and not exists (select from pg_index where indrelid = c.oid and not indisprimary and (indisunique or indisexclusion))
       and not exists (select from pg_constraint
                       where conrelid = c.oid and contype = 'f' and confrelid <> to_regclass('stocks'))
       and not exists (select from pg_attribute
                       where attrelid = c.oid and not attisdropped and attnum > 0 and (attidentity <> '' or attgenerated <> ''))
       -- tgtype: 1 is FOR EACH ROW, 4 is INSERT.
       and not exists (select from pg_trigger
                       where tgrelid = c.oid and not tgisinternal and tgtype & 4 > 0
                         and (tgtype & 1 > 0 or tgnewtable is not null and tgfoid is distinct from to_regproc('note_price_change')))
       and not exists (select from pg_publication where puballtables)
       and not exists (select from pg_publication_rel where prrelid = c.oid)
       and not exists (select from pg_publication_namespace where pnnspid = c.relnamespace)
       as can
    from pg_class c
    join pg_partitioned_table p on p.partrelid = c.oid
    where c.oid = to_regclass('price_history') and to_regproc('partition_bounds') is not null`);
  return rows[0]?.can ?? false;
}
