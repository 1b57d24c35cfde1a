import { clean } from "../convert/convert.ts";
import { expiredConversions } from "../convert/journal.ts";
import { megabytes } from "../migrate/hazards/sizes.ts";
import type { Look, Step } from "./step.ts";

/**
 * Plain tables that are kept for the way back from a conversion to partitions, after the time for which that stays open:
 * each takes its room, and every write is made in it as well.
 */
export async function closedWaysBack({ session }: Look): Promise<Step[]> {
  const { connection, say } = session;
  const conversions = await expiredConversions(session.worker);
  return conversions.map(({ table, keepUntil, bytes }) => ({
    object: table,
    why: `the way back to the plain table was open until ${keepUntil.toISOString()}; it takes ${megabytes(bytes)}`,
    ...{ does: `toolkit partition ${table} --cleanup --yes`, costBytes: 0 },
    async run() {
      await clean(connection, { table, say });
      return { result: "done" };
    },
  }));
}
