import type { Connection } from "../connection.ts";
import { convertShown } from "../convert/command.ts";
import { messageOf, UserError } from "../errors.ts";
import type { MigrationFile } from "../migrate/files.ts";

/** A migration that rewrites a table in one transaction, and what does the same to a big one while it is used. */
export interface Conversion {
  migration: string;
  table: string;
  column: string;
}

/** Each finds its table partitioned already, and leaves it so. */
export const conversions: readonly Conversion[] = [
  { migration: "0018_price_history_by_month", table: "price_history", column: "date" },
  { migration: "0019_technical_indicators_by_month", table: "technical_indicators", column: "date" },
];

/** The last of the pending migrations that come before every conversion; undefined where one of these is the first. */
export function lastBefore(pending: readonly MigrationFile[], needed: readonly Conversion[]): string | undefined {
  const first = pending.findIndex(({ name }) => needed.some(({ migration }) => migration === name));
  return pending[first - 1]?.name;
}

/** Converts tables one after the other, each while it is read and written; one that is converted already stays as it is. */
export async function convertAll(
  connection: Connection,
  needed: readonly Conversion[],
  say: (line: string) => void,
): Promise<void> {
  for (const { table, column, migration } of needed) {
    say(`${table} is too big for the transaction of ${migration}: converting it while it is in use`);
    const settings = { table, column, say };
    await convertShown(connection, settings).catch((error) => {
      throw new UserError(`${table} could not be converted to partitions`, {
        why: messageOf(error),
        fix: "Correct that and run it again: it goes on where it stopped.",
        cause: error,
      });
    });
  }
}
