import { randomBytes } from "node:crypto";
import { UserError } from "../errors.ts";
import type { CreateResult, UpdateResult } from "../provider.ts";
import { findBinaries } from "./binaries.ts";
import { type Cluster, initCluster, readCluster } from "./cluster.ts";
import { converge, resetPassword, writeSettings } from "./converge.ts";
import { isRestoredFrom, restoreBackup } from "./finalBackup.ts";
import { connectionTo } from "./live.ts";
import { withLock } from "./lock.ts";
import { newOwner, setOwner, systemIdentifierIn } from "./owner.ts";
import { besideData, clearUnfinished, makePlace, type Place } from "./place.ts";
import { endDeletedServer } from "./processes.ts";
import type { ServerInputs, ServerOutputs } from "./properties.ts";
import { convergeReplicas } from "./replicas.ts";

// Bytes of randomness; 32 characters in base64.
const passwordLength = 24;

/**
 * Makes a server and starts it. A data folder that is there is adopted, never overwritten: an `up` that was killed
 * left it, or the stack's state was lost. Whatever a killed run had done, this one goes on from there.
 */
export async function createServer(inputs: ServerInputs): Promise<CreateResult<ServerOutputs>> {
  const { place, user } = await makePlace(inputs.directory);
  return withLock(place.lock, async () => {
    await clearUnfinished(place);
    await endDeletedServer(place.data);
    const cluster: Cluster = { data: place.data, log: place.log, binaries: await findBinaries(user), user };
    const password = randomBytes(passwordLength).toString("base64url");
    const isNew = await makeData(cluster, place, inputs, password);
    if (!isNew) {
      await writeSettings(cluster, inputs);
      await resetPassword(cluster, password);
    }
    const id = await newOwner(place.data);
    await setOwner(cluster, id);
    return { id, outs: await bringUp(cluster, place, inputs, { password }) };
  });
}

/**
 * Brings a server that was made before to what is asked of it now, also when it was killed in the meantime.
 * @throws UserError when the server does not take new settings; it then runs with the old ones
 */
export async function updateServer(
  id: string,
  olds: ServerOutputs,
  news: ServerInputs,
): Promise<UpdateResult<ServerOutputs>> {
  const { place, user } = await makePlace(news.directory);
  return withLock(place.lock, async () => {
    await clearUnfinished(place);
    const cluster: Cluster = { data: place.data, log: place.log, binaries: await findBinaries(user), user };
    if ((await readCluster(place.data))?.systemIdentifier !== systemIdentifierIn(id))
      throw new UserError(`the data folder ${place.data} is not that of this stack any more`, {
        fix: "Run `up` again: its preview says what is there.",
      });
    await setOwner(cluster, id);
    return { outs: await bringUp(cluster, place, news, { password: olds.password, previous: olds }) };
  });
}

/** @returns whether the data folder is new, and knows the password */
async function makeData(cluster: Cluster, place: Place, inputs: ServerInputs, password: string): Promise<boolean> {
  const existing = await readCluster(cluster.data);
  const { restoreFrom } = inputs;
  if (existing && restoreFrom && !(await isRestoredFrom(cluster.data, restoreFrom))) throw refusal(place, restoreFrom);
  if (existing) {
    requireMajor(existing.major, cluster, place);
    console.log(`adopting the data folder ${place.data}, which is there already`);
    return false;
  }
  const partial = besideData(place, "partial");
  if (restoreFrom) {
    await restoreBackup(cluster, restoreFrom, partial);
    return false;
  }
  console.log(`making the data folder ${place.data} with PostgreSQL ${cluster.binaries.version}`);
  await initCluster(cluster, { partial, password });
  return true;
}

async function bringUp(
  cluster: Cluster,
  place: Place,
  inputs: ServerInputs,
  how: { password: string; previous?: ServerInputs },
): Promise<ServerOutputs> {
  const { password, previous } = how;
  const { port, settings, database, replicas = [] } = inputs;
  const live = await converge(cluster, { port, settings, database, password }, previous);
  await convergeReplicas({ place, cluster, port, settings, password }, replicas);
  const { systemIdentifier } = (await readCluster(cluster.data))!;
  return {
    ...inputs,
    password,
    connection: connectionTo(port, database, password),
    serverVersion: live.version,
    systemIdentifier,
    dataDirectory: cluster.data,
  };
}

/** @throws UserError when another major version of PostgreSQL made the data folder */
export function requireMajor(major: string, { binaries }: Pick<Cluster, "binaries">, place: Place): void {
  if (major === binaries.major) return;
  throw new UserError(
    `the data folder ${place.data} is of PostgreSQL ${major}, and the embedded one is ${binaries.version}`,
    {
      why: "A server reads only the files of its own major version.",
      fix: `Run it with PostgreSQL ${major} and dump it there, or move the folder away to start with an empty server.`,
    },
  );
}

/** The refusal to restore a backup over data that did not come from it. */
export function refusal(place: Place, restoreFrom: string): UserError {
  return new UserError(`there is a data folder already, which does not come from the backup ${restoreFrom}`, {
    why: `${place.data} would have to be overwritten, and that never happens.`,
    fix: "Remove database:restoreFrom to keep that data, or run `destroy` first (it keeps a final backup of it).",
  });
}
