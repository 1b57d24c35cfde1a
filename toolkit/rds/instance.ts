import {
  type DBInstance,
  DescribeDBInstancesCommand,
  ModifyDBInstanceCommand,
  type ModifyDBInstanceMessage,
} from "@aws-sdk/client-rds";
import { UserError } from "../errors.ts";
import { unknownInstance } from "./dryRun.ts";
import type { Session } from "./session.ts";
import { waitFor } from "./wait.ts";

/** Statuses in which an instance serves clients. Storage that is optimized is in use. */
const serving = new Set(["available", "storage-optimization", "storage-config-upgrade"]);

/**
 * What AWS knows of an instance; in a dry run, with what it has not told in angle brackets.
 * @throws UserError where there is no such instance
 */
export async function describeInstance(session: Session, identifier = session.instance): Promise<DBInstance> {
  const found = await session.rds.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: identifier }));
  return found.DBInstances?.[0] ?? unknownInstance(identifier);
}

/** The same, and undefined where there is none; in a dry run that asks nobody there is none. */
export async function findInstance(session: Session, identifier: string): Promise<DBInstance | undefined> {
  const named = new DescribeDBInstancesCommand({ DBInstanceIdentifier: identifier });
  return session.rds.send(named).then(
    ({ DBInstances }) => DBInstances?.[0],
    (error: Error) => {
      if (/^DBInstanceNotFound/.test(error.name)) return undefined;
      throw error;
    },
  );
}

/**
 * Waits until an instance serves clients and is as it should be.
 * @param ready what else has to be so; right after a change the status still is the old one
 */
export async function waitForInstance(
  session: Session,
  identifier: string,
  { minutes, ready = () => true }: { minutes: number; ready?: (instance: DBInstance) => boolean },
): Promise<DBInstance> {
  return waitFor(session, `instance ${identifier}`, minutes, async () => {
    const instance = session.dry
      ? await describeInstance(session, identifier)
      : await findInstance(session, identifier);
    const status = instance?.DBInstanceStatus ?? "not there yet";
    const done = session.dry || (instance && serving.has(status) && ready(instance)) ? instance : undefined;
    return { status, done };
  });
}

/**
 * Changes an instance at once, not in its maintenance window.
 * @param ready how the change shows when it is done
 */
export async function modifyInstance(
  session: Session,
  identifier: string,
  change: Omit<ModifyDBInstanceMessage, "DBInstanceIdentifier" | "ApplyImmediately">,
  wait: { minutes: number; ready?: (instance: DBInstance) => boolean },
): Promise<DBInstance> {
  const input = { DBInstanceIdentifier: identifier, ...change, ApplyImmediately: true };
  await session.rds.send(new ModifyDBInstanceCommand(input));
  return waitForInstance(session, identifier, {
    minutes: wait.minutes,
    ready: (instance) =>
      Object.keys(instance.PendingModifiedValues ?? {}).length === 0 && (wait.ready?.(instance) ?? true),
  });
}

/** @throws UserError where something else is being done to the instance */
export function requireServing({ DBInstanceIdentifier, DBInstanceStatus }: DBInstance): void {
  // Unknown in a dry run.
  if (DBInstanceStatus === undefined || serving.has(DBInstanceStatus)) return;
  throw new UserError(`the instance ${DBInstanceIdentifier} is ${DBInstanceStatus}`, {
    why: "AWS takes no change until it is available.",
    fix: `Wait for it: toolkit rds wait --instance ${DBInstanceIdentifier}.`,
  });
}
