import { UserError } from "../errors.ts";
import { type Bounds, forValues } from "./create.ts";
import { abandon, copySql, type Emptying, namesFor } from "./defaultEmptying.ts";
import { type Session, withinLockTimeout } from "./session.ts";
import { columnsOf, type PartitionedTable } from "./tables.ts";

/** Compares both, row by row, in one snapshot. @throws UserError when they differ; nothing is removed then */
export async function verify(session: Session, emptying: Emptying): Promise<void> {
  const { client } = session;
  const { table, defaultPartition, copies } = emptying;
  const row = `row(${(await columnsOf(client, table.oid)).join(", ")})::text`;
  const sum = (from: string) =>
    `select count(*) || ' rows ' || coalesce(sum(hashtextextended(${row}, 0)), 0) as sum from ${from}`;
  const columns = (await columnsOf(client, table.oid)).join(", ");
  const union = copies.map((copy) => `select ${columns} from ${copySql(copy)}`).join(" union all ");
  const { rows } = await client.query(
    `select (${sum(defaultPartition.sql)}) as old, (${sum(`(${union}) as copies`)}) as new`,
  );
  if (rows[0].old === rows[0].new) return;
  await abandon(session, emptying);
  throw new UserError(`the copy of ${defaultPartition.sql} is not the same as its rows`, {
    why: `${rows[0].old} against ${rows[0].new}; the copy was dropped, and nothing else was touched.`,
    fix: "Look for rules or replication that write past triggers, and run the command again.",
  });
}

/** Takes the old default partition away and attaches the copies: in one transaction, catalog changes only. */
export async function exchange(session: Session, { table, defaultPartition, copies }: Emptying): Promise<void> {
  const { client } = session;
  const { changes, apply, drain, onChange } = namesFor(defaultPartition);
  const schema = (name: string) => name.replace(/\.(?=[^.]*$).*/s, "");
  const home = schema(table.sql);
  const bounded = copies.filter(({ fromBound }) => fromBound !== null);
  const attach = bounded.map((copy) => {
    const sql = copySql(copy).replace("deploy", () => home);
    return `
      alter table ${copySql(copy)} set schema ${home};
      alter table ${table.sql} attach partition ${sql} ${forValues(copy as Bounds)};
      alter table ${sql} drop constraint partition_bounds;`;
  });
  const rest = copySql(copies.at(-1)!);
  const restHome = schema(defaultPartition.sql);
  await withinLockTimeout(session, `exchanging ${defaultPartition.sql}`, async () => {
    await client.query(`lock table only ${table.sql} in access exclusive mode`);
    await client.query(`
      alter table ${table.sql} detach partition ${defaultPartition.sql};
      drop function ${onChange}() cascade;
      drop function ${drain}(integer);
      drop function ${apply}(boolean, ${defaultPartition.sql});
      drop table ${changes};
      drop table ${defaultPartition.sql};
      ${attach.join("")}
      alter table ${rest} set schema ${restHome};
      alter table ${table.sql} attach partition ${defaultPartition.sql} default;
      delete from deploy.default_emptying where default_oid = ${defaultPartition.oid}`);
  });
}

/** @throws UserError where foreign keys of other tables refer to the table */
export async function refuseReferences({ client }: Session, table: PartitionedTable): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select conrelid::regclass || '.' || quote_ident(conname) as name from pg_constraint
     where confrelid = $1 and contype = 'f' and conparentid = 0 order by 1`,
    [table.oid],
  );
  if (rows.length > 0)
    throw new UserError(`the default partition of ${table.sql} cannot be emptied: foreign keys refer to the table`, {
      why: `PostgreSQL lets no partition go while rows of it are referred to: ${rows.map(({ name }) => name).join(", ")}.`,
      fix: "Drop those keys, run the command again, and add them back with NOT VALID and VALIDATE CONSTRAINT.",
    });
}
