import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { messageOf, UserError } from "../errors.ts";
import { findBinaries } from "./binaries.ts";
import type { Cluster } from "./cluster.ts";
import { serverStatus, settledServer, startServer, stopServer } from "./control.ts";
import { asSuperuser } from "./live.ts";
import type { Place } from "./place.ts";
import { clearRemains, endDeletedServer } from "./processes.ts";
import type { LocalReplica, ServerInputs, ServerOutputs } from "./properties.ts";
import {
  hasReplicaSettings,
  makeReplica,
  type Primary,
  portOf,
  replicaCluster,
  replicaData,
  replicasFolder,
  whyMake,
  writeReplicaSettings,
} from "./replica.ts";
import { dropOthers, makeSlot, readSlots, type Slot, sourceName, waitForReplay } from "./replicaSource.ts";
import { serverUser } from "./systemUser.ts";

// Milliseconds. A replica asks its primary once a second; one that has got no answer by now never will.
const streamTimeout = 15_000;
const catchUpTimeout = 5_000;
const pause = 50;

/**
 * Brings the replicas of a running server to what is asked for, whatever state they are in: one that is missing, has
 * diverged or fell off the primary's log is made, one that died is started, one that nobody wants is removed.
 * @throws UserError when a replica does not stream from the primary after all that
 */
export async function convergeReplicas(primary: Primary, replicas: readonly LocalReplica[]): Promise<void> {
  const { place, cluster: source } = primary;
  const names = replicas.map(({ name }) => name);
  await removeReplicas(place, names);
  await asPrimary(primary, (client) => dropOthers(client, names));
  // Before any is started: two may have changed their ports for each other's.
  for (const replica of replicas) await applySettings(primary, replica, replicaCluster(place, replica.name, source));
  for (const replica of replicas) await bringUp(primary, replica, replicaCluster(place, replica.name, source));
}

/** Stops and removes the replicas of a server, but for those that are kept. */
export async function removeReplicas(place: Place, kept: readonly string[]): Promise<void> {
  for (const name of await foldersOf(place)) {
    if (kept.includes(name)) continue;
    console.log(`removing the replica ${name}`);
    const user = await serverUser(place.data).catch(() => undefined);
    const cluster = replicaCluster(place, name, { user, binaries: await findBinaries(user) });
    await stopServer(cluster);
    await clearRemains(cluster.data);
    await rm(join(replicasFolder(place), name), { recursive: true, force: true, maxRetries: 3 });
  }
  if (kept.length === 0) await rm(replicasFolder(place), { recursive: true, force: true });
}

/** What `up` will do about the replicas, a line for each thing. */
export async function replicaLines(place: Place, olds: ServerOutputs, news: ServerInputs): Promise<string[]> {
  const wanted = news.replicas ?? [];
  const names = wanted.map(({ name }) => name);
  const unwanted = (await foldersOf(place)).filter((name) => !names.includes(name));
  const lines = unwanted.map((name) => `the replica ${name} is not asked for any more: up will remove it`);
  const running = wanted.length > 0 ? await serverStatus(place.data) : undefined;
  const slots = running?.ready
    ? await asSuperuser(running.port, olds.password, readSlots).catch(() => undefined)
    : undefined;
  for (const replica of wanted) {
    const data = replicaData(place, replica.name);
    const slot = slots?.get(sourceName(replica.name));
    const what = await whatUpDoes(place, news, { replica, data, slot });
    if (what) lines.push(`the replica ${replica.name} ${what}`);
    else if (slots && !slot?.active)
      lines.push(`the replica ${replica.name} does not stream from the primary: up will make it again if it must`);
  }
  const unchanged = JSON.stringify(olds.replicas ?? []) === JSON.stringify(wanted);
  return lines.length > 0 || unchanged ? lines : ["the weights or tiers of the replicas change"];
}

async function whatUpDoes(
  place: Place,
  primary: Pick<Primary, "port" | "settings">,
  { replica, data, slot }: { replica: LocalReplica; data: string; slot: Slot | undefined },
): Promise<string | undefined> {
  const reason = await whyMake(place, data, slot);
  if (reason) return `${reason}: up will make it`;
  if (!(await hasReplicaSettings(primary, replica, data)))
    return "does not have the stack's settings: up will write them and restart it";
  return (await serverStatus(data)) ? undefined : "is not running: up will start it";
}

/** Stops a replica whose settings change, and writes them: what runs has read what is in its file. */
async function applySettings(primary: Primary, replica: LocalReplica, cluster: Cluster): Promise<void> {
  await endDeletedServer(cluster.data);
  if (await whyMake(primary.place, cluster.data, undefined)) return;
  if (await hasReplicaSettings(primary, replica, cluster.data)) return;
  if (await serverStatus(cluster.data)) {
    // A replica refuses to start with less of max_connections than its primary had at the place where it is in the log.
    await asPrimary(primary, (client) => waitForReplay(client, replica.name, catchUpTimeout));
    console.log(`restarting the replica ${replica.name} with other settings`);
    await stopServer(cluster);
  }
  await writeReplicaSettings(primary, replica, cluster);
}

async function bringUp(primary: Primary, replica: LocalReplica, cluster: Cluster): Promise<void> {
  const { name } = replica;
  const slots = await asPrimary(primary, readSlots);
  const reason = await whyMake(primary.place, cluster.data, slots.get(sourceName(name)));
  if (!reason) {
    const obstacle = await stream(primary, replica, cluster);
    if (!obstacle) return;
    console.log(`the replica ${name} ${obstacle}: making it again`);
  } else console.log(`the replica ${name} ${reason}: making it`);
  await makeReplica(primary, replica, cluster);
  const obstacle = await stream(primary, replica, cluster);
  if (obstacle)
    throw new UserError(`the replica ${name} ${obstacle}`, {
      fix: `See ${cluster.log} for why, then run \`up\` again.`,
    });
}

/** Starts a replica where it does not run, and waits until it streams. @returns what is wrong with it */
async function stream(primary: Primary, replica: LocalReplica, cluster: Cluster): Promise<string | undefined> {
  const { name } = replica;
  if (!(await settledServer(cluster.data))) {
    console.log(`starting the replica ${name} on port ${portOf(replica)}`);
    try {
      await startServer(cluster);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      console.log(messageOf(error));
      return "does not start";
    }
  }
  return asPrimary(primary, async (client) => {
    if (!(await readSlots(client)).has(sourceName(name))) await makeSlot(client, name);
    for (const started = Date.now(); Date.now() - started < streamTimeout; await wait(pause)) {
      const slot = (await readSlots(client)).get(sourceName(name));
      if (slot?.active) return undefined;
      if (slot?.lost) return "fell so far behind that the primary has removed the log that it needs";
    }
    return "does not stream from the primary";
  });
}

const asPrimary = <T>({ port, password }: Primary, work: Parameters<typeof asSuperuser<T>>[2]): Promise<T> =>
  asSuperuser(port, password, work);

/** The ports that a server and its replicas listen on now. */
export async function portsInUse(place: Place): Promise<number[]> {
  const replicas = (await foldersOf(place)).map((name) => replicaData(place, name));
  const running = await Promise.all([place.data, ...replicas].map(serverStatus));
  return running.flatMap((server) => (server ? [server.port] : []));
}

async function foldersOf(place: Place): Promise<string[]> {
  return (await readdir(replicasFolder(place)).catch(() => [])).sort();
}
