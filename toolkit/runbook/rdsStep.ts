import type { Values } from "./parameters.ts";
import type { Page, Step } from "./parse.ts";

/** Whether a step works on an RDS instance: such a one has a dry run of its own, which prints its calls to AWS. */
export function isRdsStep({ language, text }: Pick<Step, "language" | "text">): boolean {
  return language === "toolkit" && /^rds\s/.test(text);
}

/** Whether a page can be run without a database and a stack: when the server is lost, the stack may be out of reach too. */
export function needsAwsOnly({ steps }: Page, { instance, region }: Values): boolean {
  return Boolean(instance && region) && steps.every(isRdsStep);
}

/** Whether AWS can be asked from here; looked up only for a page that wants to. */
export async function canAskAws(): Promise<boolean> {
  const { hasCredentials } = await import("../rds/session.ts");
  return hasCredentials();
}
