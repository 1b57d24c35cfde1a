import type * as pulumi from "@pulumi/pulumi";
import type { Children } from "./children.ts";

/**
 * The key that encrypts a database's storage.
 * @param choice `account` (RDS's own key of the account), `own` (one made here, that rotates every year), or an ARN
 * @param protect whether Pulumi refuses to delete a key made here
 * @returns its ARN; undefined for the account's, which RDS takes by itself
 */
export function makeDataKey(
  name: string,
  choice: string,
  protect: boolean,
  own: Children,
): pulumi.Output<string> | string | undefined {
  if (choice === "account") return undefined;
  if (choice !== "own") return choice;
  const args = { description: "Encrypts the database", enableKeyRotation: true, deletionWindowInDays: 30 };
  // Whoever loses the key loses every backup with it.
  return own.make("key", `${name}-data`, args, { protect }).arn;
}
