import { UserError } from "../errors.ts";
import { schemaLines } from "../migrate/fingerprint.ts";
import { acceptPresent, readJournal } from "../migrate/journal.ts";
import { catchUp } from "./drain.ts";
import { createTriggers, dropTriggers, mirroringFunction } from "./functions.ts";
import { type Conversion, columnsDigest, findConversion } from "./journal.ts";
import { namesFor } from "./names.ts";
import { refuseObstacles } from "./refusals.ts";
import { type Session, waitForOlderSnapshots, withinLockBudget } from "./session.ts";
import type { Shape } from "./shape.ts";

/**
 * Exchanges the tables: the partitioned one takes the name, the plain one is kept in the schema deploy, and from then on
 * changes are made in it too. One transaction that renames and nothing else, as one text: the table is locked for the
 * time of the catalog's changes, not of the network.
 *
 * Whoever waited for the lock finds the new table, with the same rows: both are the same in every snapshot since changes
 * are mirrored, and older snapshots are waited for.
 */
export async function swap(session: Session, conversion: Conversion): Promise<void> {
  const { client, settings } = session;
  const { shape, plain } = conversion;
  const { live, shadow, keptName, kept, changes, ...names } = namesFor(shape);
  await refuseObstacles(client, plain, shape.name, "exchanged");
  const recordSchema = await schemaIsRecorded(session);
  for (;;) {
    const { fence } = (await findConversion(client, shape.baseName))!;
    await waitForOlderSnapshots(session, fence!);
    const swapped = await withinLockBudget(session, "exchange the tables", async () => {
      await client.query(`lock table ${live} in access exclusive mode`);
      const { rows } = await client.query(
        `select exists (select from ${changes}) as pending,
                ${columnsDigest("plain")} is distinct from columns_digest as changed
         from deploy.partitioning where table_name = $1`,
        [shape.baseName],
      );
      if (rows[0].changed) throw columnsChanged(conversion);
      if (rows[0].pending) return false;
      const all = { live, shadow, keptName, kept, changes, ...names };
      await client.query(`
        ${dropTriggers(live)}
        ${disown(shape)}
        ${exchange(live, shadow, shape.schema, [live, keptName])}
        ${own(shape, live)}
        ${mirroringFunction(all, shape, kept, false)}
        ${createTriggers(all, live)}`);
      await client.query(
        `update deploy.partitioning
         set phase = 'swapped', swapped_at = clock_timestamp(), updated_at = now(), record_schema = $2,
             keep_until = clock_timestamp() + $3::float8 * interval '1 millisecond'
         where table_name = $1`,
        [shape.baseName, recordSchema, settings.keepFor],
      );
      return true;
    });
    if (swapped) break;
    await catchUp(session, conversion);
  }
  await recordOwnChange(session, shape.baseName);
}

/**
 * The way back: the plain table, which every change was made in too, takes its name again.
 * @throws UserError where something has come to depend on the partitioned table, or migrations have run since
 */
export async function revert(session: Session, conversion: Conversion): Promise<void> {
  const { client } = session;
  const { shape, partitioned } = conversion;
  const all = namesFor(shape);
  const { live, shadow, kept } = all;
  await refuseObstacles(client, partitioned, shape.name, "put back");
  await refuseMigratedSince(session, conversion);
  const recordSchema = await schemaIsRecorded(session);
  await withinLockBudget(session, "exchange the tables", async () => {
    await client.query(`lock table ${live} in access exclusive mode`);
    await client.query(`
      ${dropTriggers(live)}
      ${disown(shape)}
      ${exchange(live, kept, shape.schema, [kept, shape.name])}
      ${own(shape, live)}
      ${mirroringFunction(all, shape, shadow, true)}
      ${createTriggers(all, live)}`);
    await client.query(
      `update deploy.partitioning
       set phase = 'reverted', swapped_at = null, keep_until = null, updated_at = now(), record_schema = $2,
           fence = pg_current_xact_id()
       where table_name = $1`,
      [shape.baseName, recordSchema],
    );
  });
  await recordOwnChange(session, shape.baseName);
}

/**
 * Two tables change places, with their indexes and sequences. Both have indexes of the same names, so that one of them
 * leaves through a third schema.
 * @param rename the table that gets another name, and that name; it has only one of the two at a time
 */
function exchange(leaving: string, coming: string, home: string, [renamed, name]: [string, string]): string {
  const bare = leaving.slice(home.length + 1);
  const passing = `deploy_exchange.${bare}`;
  const leavesRenamed = renamed === leaving;
  return `
    create schema deploy_exchange;
    alter table ${leaving} set schema deploy_exchange;
    alter table ${coming} set schema ${home};
    ${leavesRenamed ? `alter table ${passing} rename to ${name};` : ""}
    alter table ${leavesRenamed ? `deploy_exchange.${name}` : passing} set schema deploy;
    ${leavesRenamed ? "" : `alter table ${home}.${coming.slice("deploy.".length)} rename to ${name};`}
    drop schema deploy_exchange;`;
}

/** A sequence moves with the table that it belongs to, and must not: both tables' defaults use it. */
function disown({ sequences }: Shape): string {
  return sequences.map(({ name }) => `alter sequence ${name} owned by none;`).join("\n");
}

function own({ sequences }: Shape, live: string): string {
  return sequences.map(({ name, column }) => `alter sequence ${name} owned by ${live}.${column};`).join("\n");
}

function columnsChanged({ shape }: Conversion): UserError {
  return new UserError(`the columns of ${shape.name} have changed since the conversion began`, {
    why: "The copy would lack the change.",
    fix: `Begin anew: toolkit partition ${shape.name} --cleanup --yes, then toolkit partition ${shape.name}.`,
  });
}

async function refuseMigratedSince({ client }: Session, { shape, swappedAt }: Conversion): Promise<void> {
  const { rows: found } = await client.query("select to_regclass('public.pgmigrations') is not null as present");
  if (!found[0].present) return;
  const { rows } = await client.query<{ name: string }>(
    "select name from public.pgmigrations where run_on > $1::timestamptz order by run_on, id",
    [swappedAt],
  );
  if (rows.length > 0)
    throw new UserError(`${shape.name} cannot be put back: migrations have run since`, {
      why: `They found it partitioned: ${rows.map(({ name }) => name).join(", ")}.`,
      fix: "Roll them back first: toolkit rollback.",
    });
}

/** Whether the recorded schema is the true one, so that what we change ourselves may be recorded too. */
async function schemaIsRecorded({ client }: Session): Promise<boolean> {
  const { schema } = await readJournal(client);
  if (!schema) return false;
  return JSON.stringify(schema.lines) === JSON.stringify(await schemaLines(client));
}

/**
 * Tells the journal of migrations that the schema changed by our hand, so that `up` does not take it for somebody
 * else's. After the exchange, not in it: reading the schema takes longer than a table may be locked.
 */
export async function recordOwnChange({ client }: Session, table: string): Promise<void> {
  const conversion = await findConversion(client, table);
  if (conversion?.recordSchema) await acceptPresent(client, [], await schemaLines(client));
  await client.query("update deploy.partitioning set record_schema = null where table_name = $1", [table]);
}
