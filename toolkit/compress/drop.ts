import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { checkPolicy, type Expiry, policyOf } from "../partitions/policy.ts";
import { type Retained, retainPartitions } from "../partitions/retain.ts";
import { chooseTables } from "../partitions/tables.ts";
import type { PackOptions } from "./pack.ts";
import { requireStore } from "./store.ts";

/** How packed months go. */
export interface DropOptions extends Pick<PackOptions, "dryRun" | "say"> {
  /** The age of a month, as PostgreSQL reads an interval; the retention of the policy of price_history when left out. */
  olderThan?: string;
  /** The policy's when left out; where none is set, they are dropped. */
  onExpire?: Expiry;
  /** Where archives go. */
  directory?: string;
}

const prices = "public.price_history";

/**
 * Takes packed months that are older than an age away, and archives, drops or keeps them in the schema deploy. It is the
 * retention of toolkit/partitions, of packed months alone.
 * @throws UserError with exit code 2 where nobody says an age: what nobody said must not remove anything
 */
export async function drop(connection: Connection, options: DropOptions): Promise<Retained["expired"]> {
  const { olderThan, dryRun, say, directory } = options;
  const policy = await withClient(connection, { applicationName: "compress" }, async (client) => {
    await requireStore(client);
    const known = await policyOf(client, (await chooseTables(client, prices))[0]!, { interval: "month" });
    const retention = olderThan ?? known?.retention ?? null;
    if (retention === null)
      throw new UserError("it is not said from which age packed months go", {
        why: "The table price_history has no policy with a retention.",
        fix: `Add --older-than '10 years', or set one: toolkit partitions policy ${prices} --retention '10 years'.`,
        exitCode: 2,
      });
    await checkPolicy(client, { retention });
    return { retention, onExpire: options.onExpire ?? (known?.source === "set" ? known.onExpire : "drop") };
  });
  const [retained] = await retainPartitions(connection, {
    ...{ table: prices, policy: { ...policy, interval: "month" }, packedOnly: true, dryRun, say },
    ...(directory === undefined ? {} : { directory }),
  });
  return retained?.expired ?? [];
}
