import { ModifyDBInstanceCommand } from "@aws-sdk/client-rds";
import { UserError } from "../errors.ts";
import { findInstance, requireServing, waitForInstance } from "./instance.ts";
import type { Session } from "./session.ts";

// Renaming restarts the instance and changes its address.
const patience = 60;
const longestIdentifier = 63;

/**
 * Gives the instance's name to another one, so that addresses, alarms and dashboards mean that one from then on. The instance
 * that had it becomes NAME-old, and stays. Cut off between the two, it goes on.
 * @throws UserError where the other one is not there, or the name NAME-old is taken
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RenameInstance.html
 */
export async function swap(session: Session, other: string): Promise<void> {
  const { instance, dry, say } = session;
  const old = `${instance.slice(0, longestIdentifier - "-old".length)}-old`;
  const [standing, waiting] = [await findInstance(session, instance), await findInstance(session, other)];
  const away = dry ? undefined : await findInstance(session, old);
  if (standing && away && !waiting) {
    say(`swapped before: ${instance} is the new one, and ${old} the one that had the name`);
    return;
  }
  if (!waiting && !dry) throw new UserError(`there is no instance ${other} to take the name ${instance}`);
  if (standing && away)
    throw new UserError(`there already is an instance ${old}`, {
      why: "An earlier swap left it.",
      fix: "Remove it, or rename it, when nobody needs it any more.",
    });
  for (const one of [standing, waiting]) if (one) requireServing(one);
  await session.confirm(`Rename ${instance} to ${old}, and ${other} to ${instance}? Clients are cut off meanwhile.`);
  // Without one of that name, a run before was cut off between the two.
  if (standing || dry) await rename(session, instance, old);
  await rename(session, other, instance);
  if (!dry) say(`${instance} now is what was ${other}; what it was before is ${old}`);
}

async function rename(session: Session, from: string, to: string): Promise<void> {
  const names = { DBInstanceIdentifier: from, NewDBInstanceIdentifier: to };
  await session.rds.send(new ModifyDBInstanceCommand({ ...names, ApplyImmediately: true }));
  await waitForInstance(session, to, { minutes: patience });
}
