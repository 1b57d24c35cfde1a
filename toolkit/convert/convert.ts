import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { count } from "../terminal.ts";
import { cleanUp } from "./cleanup.ts";
import { complete } from "./complete.ts";
import { copyRows } from "./copy.ts";
import { catchUp, mirrorChanges } from "./drain.ts";
import { type Conversion, findConversion, type Phase } from "./journal.ts";
import { type ConvertOptions, withDefaults } from "./options.ts";
import { prepare } from "./prepare.ts";
import { refuseObstacles } from "./refusals.ts";
import { applicationName, type Session, withSession } from "./session.ts";
import { findTable, readShape } from "./shape.ts";
import { recordOwnChange, revert, swap } from "./swap.ts";
import { verify } from "./verify.ts";

/** What a conversion came to. */
export interface Converted {
  table: string;
  phase: Phase;
  rowsCopied: number;
  rowsVerified: number | null;
  keepUntil: Date | null;
}

/**
 * Converts a plain table that is in use to one that is partitioned by month, with the same rows and names.
 *
 * 1. Triggers log the keys of rows that change. Rows are copied in batches, and logged keys are brought over in between,
 *    by one session: no row that was deleted can come back, as it could if triggers wrote to the copy while others
 *    copy to it; and a month without partition stops the copy, not the application.
 * 2. When all is copied, writers wait a moment while the last keys are brought over; from then on a change is made in
 *    both tables in the same transaction. So both can be compared in one snapshot, foreign keys can be added, and the
 *    exchange has nothing left to do but to change names.
 * 3. After the exchange the same is done the other way round: the plain table stays current, and the way back open.
 *
 * What it was when a run ended, however it ended, is in deploy.partitioning; calling again goes on from there.
 * @throws UserError where the table cannot be converted, before anything is touched; and where a lock is not to be had
 */
export function convert(connection: Connection, options: ConvertOptions): Promise<Converted> {
  return withConversion(connection, options, async (session, conversion) => {
    if (!conversion) return convertNew(session);
    if (conversion.phase === "reverted")
      throw new UserError(`${options.table} was converted, and put back`, {
        fix: `Exchange the tables again: toolkit partition ${options.table} --finish; or give it up with --cleanup.`,
      });
    return goOn(session, conversion);
  });
}

/** Goes on to the exchange, also after the way back was taken. @throws as {@link convert} */
export function finish(connection: Connection, options: ConvertOptions): Promise<Converted> {
  return withConversion(connection, options, async (session, conversion) => goOn(session, known(conversion, options)));
}

/** Puts the plain table back in its place, with every row written since. @throws UserError where that cannot be */
export function goBack(connection: Connection, options: ConvertOptions): Promise<Converted> {
  return withConversion(connection, options, async (session, conversion) => {
    const found = known(conversion, options);
    if (found.phase !== "swapped")
      throw new UserError(`${options.table} is not exchanged: there is nothing to put back`, {
        fix: `To give the conversion up: toolkit partition ${options.table} --cleanup.`,
      });
    await revert(session, found);
    session.settings.say(`${found.shape.name} is the plain table again; the partitioned one is kept current`);
    return resultOf(session, found.table);
  });
}

/** Drops what a conversion keeps: the plain table after the exchange, the copy before it. */
export function clean(connection: Connection, options: ConvertOptions): Promise<Converted> {
  return withConversion(connection, options, async (session, conversion) => {
    const found = known(conversion, options);
    const before = await resultOf(session, found.table);
    await cleanUp(session, found);
    session.settings.say(
      found.phase === "swapped"
        ? `the plain table of ${found.shape.name} is dropped`
        : `the conversion of ${found.shape.name} is given up: its copy is dropped`,
    );
    return before;
  });
}

/** How a conversion is; undefined where there is none. Only reads. */
export function status(connection: Connection, { table }: ConvertOptions): Promise<Conversion | undefined> {
  return withClient(connection, { applicationName }, async (client) =>
    findConversion(client, await bareName(client, table)),
  );
}

async function convertNew(session: Session): Promise<Converted> {
  const { settings, client } = session;
  const oid = await findTable(client, settings.table);
  await refuseObstacles(client, oid, settings.table, "converted");
  const shape = await readShape(client, oid, settings.column, settings.keepId);
  if (shape.leftOut)
    settings.say(
      `${shape.name}.${shape.leftOut}, a surrogate key that nothing refers to, is left out (--keep-id keeps it)`,
    );
  await prepare(session, shape, settings.column);
  settings.say(`${shape.name}: changes are logged; copying begins`);
  return goOn(session, (await findConversion(client, shape.baseName))!);
}

async function goOn(session: Session, found: Conversion): Promise<Converted> {
  const { client, settings } = session;
  const table = found.table;
  const now = async () => (await findConversion(client, table))!;
  let conversion = found;
  if (conversion.phase === "copying") {
    await copyRows(session, conversion);
    await mirrorChanges(session, conversion);
    conversion = await now();
    settings.say(
      `${conversion.shape.name}: ${count(conversion.rowsCopied)} rows copied; changes are made in both tables`,
    );
  }
  if (conversion.phase === "mirrored" || conversion.phase === "reverted") {
    await complete(session, conversion);
    await verified(session, conversion);
    await swap(session, await now());
    conversion = await now();
    settings.say(
      `${conversion.shape.name} is partitioned; the plain table is kept current until ${conversion.keepUntil?.toISOString()}`,
    );
  }
  await recordOwnChange(session, table);
  return resultOf(session, table);
}

async function verified(session: Session, conversion: Conversion): Promise<void> {
  for (;;) {
    const rows = await verify(session, conversion);
    if (rows !== undefined) {
      await session.client.query("update deploy.partitioning set rows_verified = $2 where table_name = $1", [
        conversion.table,
        rows,
      ]);
      return;
    }
    await catchUp(session, conversion);
  }
}

async function withConversion<T>(
  connection: Connection,
  options: ConvertOptions,
  work: (session: Session, conversion: Conversion | undefined) => Promise<T>,
): Promise<T> {
  const settings = withDefaults(options);
  return withSession(connection, settings, settings.table, async (session) =>
    work(session, await findConversion(session.client, await bareName(session.client, settings.table))),
  );
}

/** The name of the table without its schema, whatever has become of it. */
async function bareName(client: pg.ClientBase, table: string): Promise<string> {
  const { rows } = await client.query("select (parse_ident($1))[array_length(parse_ident($1), 1)] as name", [table]);
  return rows[0].name;
}

function known(conversion: Conversion | undefined, { table }: ConvertOptions): Conversion {
  if (conversion) return conversion;
  throw new UserError(`no conversion of ${table} has begun`, {
    fix: `Begin one: toolkit partition ${table}.`,
    exitCode: 2,
  });
}

async function resultOf({ client }: Session, name: string): Promise<Converted> {
  const { table, phase, rowsCopied, rowsVerified, keepUntil } = (await findConversion(client, name))!;
  return { table, phase, rowsCopied, rowsVerified, keepUntil };
}
