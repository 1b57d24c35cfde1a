import { dropTriggers } from "./functions.ts";
import type { Conversion } from "./journal.ts";
import { namesFor } from "./names.ts";
import { type Session, withinLockBudget } from "./session.ts";
import { recordOwnChange } from "./swap.ts";

/**
 * Ends a conversion: of an exchanged table the plain one goes, of an unfinished one the copy. The table in use stays as
 * it is, without our triggers. Foreign keys go first and one by one: dropping one locks the table that it refers to.
 */
export async function cleanUp(session: Session, { shape, phase, partitioned, plain }: Conversion): Promise<void> {
  const { client } = session;
  await recordOwnChange(session, shape.baseName);
  const [inUse, unused] = phase === "swapped" ? [partitioned, plain] : [plain, partitioned];
  const { changes, onChange, drain } = namesFor(shape);
  const nameOf = async (oid: string) =>
    (await client.query("select oid::regclass::text as name from pg_class where oid = $1", [oid])).rows[0]?.name;
  const [used, dropped] = [await nameOf(inUse), await nameOf(unused)];
  if (used)
    await withinLockBudget(session, "drop the triggers", async () => {
      await client.query(dropTriggers(used));
    });
  if (dropped) {
    for (const { name } of shape.foreignKeys)
      await withinLockBudget(session, `drop ${name}`, () =>
        client.query(`alter table ${dropped} drop constraint if exists ${name}`),
      );
    await withinLockBudget(session, `drop ${dropped}`, () => client.query(`drop table ${dropped}`));
  }
  await withinLockBudget(session, "end the conversion", async () => {
    await client.query(`
      drop function if exists ${onChange}();
      drop function if exists ${drain}(integer);
      drop table if exists ${changes}`);
    await client.query("delete from deploy.partitioning where table_name = $1", [shape.baseName]);
  });
}
