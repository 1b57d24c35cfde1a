import type pg from "pg";
import { UserError } from "../errors.ts";
import { count } from "../terminal.ts";
import type { Conversion } from "./journal.ts";
import { namesFor } from "./names.ts";
import type { Session } from "./session.ts";
import type { Shape } from "./shape.ts";

interface Month {
  month: string;
  rows: number;
  hash: string;
}

const shownMonths = 10;

/**
 * Compares both tables, month by month: the number of rows, and the sum of the rows' hashes, in which no order and no
 * doubled row hides. Both are read in one snapshot, in which they must be the same, whatever is written meanwhile.
 * @returns the number of rows; undefined where rows of new months are not brought over yet
 * @throws UserError with the months that differ
 */
export async function verify(session: Session, { shape }: Conversion): Promise<number | undefined> {
  const { client, settings } = session;
  const { live, shadow, changes } = namesFor(shape);
  await client.query("begin isolation level repeatable read, read only");
  try {
    const { rows } = await client.query(`select exists (select from ${changes}) as pending`);
    if (rows[0].pending) return undefined;
    const [old, copied] = [await sums(client, live, shape), await sums(client, shadow, shape)];
    const differing = compare(old, copied);
    if (differing.length > 0)
      throw new UserError(`the copy of ${shape.name} differs from it in ${differing.length} months`, {
        why: differing.slice(0, shownMonths).join("; "),
        fix: `Nothing was exchanged. Begin anew: toolkit partition ${shape.name} --cleanup --yes, then toolkit partition ${shape.name}.`,
      });
    const total = old.reduce((sum, month) => sum + month.rows, 0);
    settings.say(`verified: ${count(total)} rows in ${count(old.length)} months are the same in both tables`);
    return total;
  } finally {
    await client.query("rollback").catch(() => {});
  }
}

/** The months that differ, in words. */
export function compare(old: readonly Month[], copied: readonly Month[]): string[] {
  const [left, right] = [byMonth(old), byMonth(copied)];
  return [...new Set([...left.keys(), ...right.keys()])]
    .sort()
    .filter(
      (month) => left.get(month)?.hash !== right.get(month)?.hash || left.get(month)?.rows !== right.get(month)?.rows,
    )
    .map((month) => {
      const [a, b] = [left.get(month)?.rows ?? 0, right.get(month)?.rows ?? 0];
      return a === b
        ? `${month}: ${count(a)} rows, of other content`
        : `${month}: ${count(a)} rows, copied ${count(b)}`;
    });
}

function byMonth(months: readonly Month[]): Map<string, Month> {
  return new Map(months.map((month) => [month.month, month]));
}

// A type without a hash function (json, point) is hashed as its text.
async function sums(client: pg.ClientBase, table: string, shape: Shape): Promise<Month[]> {
  const values = shape.columns.map(({ name, hashable }) => (hashable ? name : `${name}::text`));
  const { rows } = await client.query<Month>(
    `select to_char(date_trunc('month', ${shape.date}), 'YYYY-MM') as month, count(*)::float8 as rows,
            sum(hash_record_extended(row(${values.join(", ")}), 0))::text as hash
     from ${table} group by 1 order by 1`,
  );
  return rows;
}
