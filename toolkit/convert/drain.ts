import { mirroringFunction } from "./functions.ts";
import { type Conversion, findConversion } from "./journal.ts";
import { lacksPartition, makeMonths } from "./months.ts";
import { namesFor } from "./names.ts";
import { inTransaction, type Session, withinLockBudget } from "./session.ts";

// Changes brought over in one transaction: some tens of milliseconds.
const portion = 2_000;
// What is left to be brought over while writers wait: a few milliseconds.
const fewChanges = 50;

/** Brings a portion of the logged changes over. @returns how many they were */
export async function drainSome(session: Session, conversion: Conversion): Promise<number> {
  const { client } = session;
  await restartAfterTruncate(session, conversion);
  try {
    return await inTransaction(client, async () => {
      await client.query("set local synchronous_commit to off");
      return drain(session, conversion);
    });
  } catch (error) {
    if (!lacksPartition(error)) throw error;
    await makeLoggedMonths(session, conversion);
    return drainSome(session, conversion);
  }
}

/** Brings changes over until only few are left. @param pause called after each portion with the milliseconds it took */
export async function drainAll(
  session: Session,
  conversion: Conversion,
  pause: (milliseconds: number) => Promise<void>,
): Promise<void> {
  for (;;) {
    const started = performance.now();
    const drained = await drainSome(session, conversion);
    if (drained < fewChanges) return;
    await pause(performance.now() - started);
  }
}

/**
 * Turns from logging changes to making them in both tables at once, so that from here on both are the same in every
 * snapshot. Writers wait while the last changes are brought over: their table is locked, the log is empty afterwards, and
 * whoever writes next finds the new function.
 */
export async function mirrorChanges(session: Session, conversion: Conversion): Promise<void> {
  const { client } = session;
  const { shape } = conversion;
  const names = namesFor(shape);
  await makeMonths(session, conversion, aheadMonths);
  await withoutWriters(session, conversion, "make changes in both tables", async () => {
    await client.query(mirroringFunction(names, shape, names.shadow, true));
    await client.query(
      `update deploy.partitioning set phase = 'mirrored', fence = pg_current_xact_id(), updated_at = now()
       where table_name = $1`,
      [shape.baseName],
    );
  });
}

/** Brings over the rows that found no partition when they were written to both tables. */
export async function catchUp(session: Session, conversion: Conversion): Promise<void> {
  const { changes } = namesFor(conversion.shape);
  const { rows } = await session.client.query(`select exists (select from ${changes}) as some`);
  if (!rows[0].some) return;
  await makeLoggedMonths(session, conversion);
  await withoutWriters(session, conversion, "bring over rows of new months", async () => {
    await session.client.query(
      "update deploy.partitioning set fence = pg_current_xact_id(), updated_at = now() where table_name = $1",
      [conversion.shape.baseName],
    );
  });
}

/** This month and the next twelve, which the application is about to write to. */
const aheadMonths = `
  select m as date from generate_series(current_date::timestamp, current_date + interval '12 months', '1 month') as m`;

/** Brings every logged change over while nobody writes, for no longer than the lock budget, and then runs `work`. */
async function withoutWriters(
  session: Session,
  conversion: Conversion,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  const { client, settings } = session;
  const { live, changes } = namesFor(conversion.shape);
  for (;;) {
    // Once changes are mirrored, only a lock keeps an older row from being written over a newer one.
    if (conversion.phase === "copying") await drainAll(session, conversion, async () => {});
    try {
      await withinLockBudget(session, what, async () => {
        await client.query(`lock table ${live} in share row exclusive mode`);
        await client.query(`set local statement_timeout to ${Math.max(Math.trunc(settings.lockTimeout), 20)}`);
        const { rows } = await client.query(
          `select count(*)::int as number, bool_or(${conversion.shape.key[0]} is null) as truncated from ${changes}`,
        );
        if (conversion.phase === "copying" && (rows[0].number > portion || rows[0].truncated)) throw new TooMuch();
        for (let left = rows[0].number; left > 0; left -= portion) await drain(session, conversion);
        await client.query("set local statement_timeout to 0");
        await work();
      });
      return;
    } catch (error) {
      if (lacksPartition(error)) await makeLoggedMonths(session, conversion);
      else if (!(error instanceof TooMuch)) throw error;
    }
  }
}

class TooMuch extends Error {}

async function drain({ client }: Session, { shape }: Conversion): Promise<number> {
  const { rows } = await client.query(`select ${namesFor(shape).drain}($1) as drained`, [portion]);
  return rows[0].drained;
}

async function makeLoggedMonths(session: Session, conversion: Conversion): Promise<void> {
  const { changes, live } = namesFor(conversion.shape);
  const { key, date } = conversion.shape;
  const present = key.map((name) => `s.${name} = c.${name}`).join(" and ");
  await makeMonths(
    session,
    conversion,
    `select s.${date} as date from ${changes} as c join ${live} as s on ${present}`,
  );
}

/** The plain table was truncated: so is the copy. Whatever has come since is in the log; there is nothing to copy. */
async function restartAfterTruncate(session: Session, conversion: Conversion): Promise<void> {
  const { client } = session;
  const { shape } = conversion;
  const { changes, shadow } = namesFor(shape);
  const truncated = `${shape.key[0]} is null`;
  const { rows } = await client.query(`select exists (select from ${changes} where ${truncated}) as so`);
  if (!rows[0].so || (await findConversion(client, shape.baseName))?.phase !== "copying") return;
  await inTransaction(client, async () => {
    await client.query(`truncate ${shadow}`);
    await client.query(`delete from ${changes} where ${truncated}`);
    await client.query(
      "update deploy.partitioning set next_block = 0, end_block = 0, file_node = pg_relation_filenode(plain) where table_name = $1",
      [shape.baseName],
    );
  });
}
