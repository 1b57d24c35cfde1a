import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { copyRunningServer } from "../backup/physical.ts";
import { UserError } from "../errors.ts";
import { type Cluster, hasSettings, readCluster, settingsFile } from "./cluster.ts";
import { stopServer } from "./control.ts";
import { exists, removeTree, renameDurably, writePrivate } from "./files.ts";
import { asSuperuser } from "./live.ts";
import type { Place } from "./place.ts";
import type { LocalReplica } from "./properties.ts";
import { dropSlot, makeRole, makeSlot, type Slot, sourceName } from "./replicaSource.ts";
import { renderSettings } from "./settings.ts";
import type { SystemUser } from "./systemUser.ts";

/** A server that runs, and whose replicas are looked after. */
export interface Primary {
  place: Place;
  cluster: Cluster;
  port: number;
  password: string;
  settings: Record<string, string>;
}

/** In the replica's data folder: how it enters its primary. Mode 0600, and in no state, argument or setting. */
const passwordFile = "replica.pgpass";
const signalFile = "standby.signal";
// Bytes of randomness; 32 characters in base64.
const passwordLength = 24;

/** The folder that holds the replicas of a server, one folder each. */
export function replicasFolder(place: Place): string {
  return join(place.home, "replicas");
}

/** Where a replica is, and who runs it: its primary's user, with its primary's programs. */
export function replicaCluster(place: Place, name: string, like: Pick<Cluster, "binaries" | "user">): Cluster {
  return { ...like, data: replicaData(place, name), log: join(replicasFolder(place), name, "postgresql.log") };
}

/** The data folder of a replica. */
export function replicaData(place: Place, name: string): string {
  return join(replicasFolder(place), name, "data");
}

/** The port that a replica listens on. */
export function portOf({ endpoint }: LocalReplica): number {
  return Number(endpoint.slice(endpoint.lastIndexOf(":") + 1));
}

/**
 * What a replica sets beside its primary's settings.
 * hot_standby_feedback: long reads shall not be cancelled by vacuum on the primary, as on RDS.
 * wal_retrieve_retry_interval: a primary that was restarted is met again after a second instead of five.
 * @see https://www.postgresql.org/docs/current/runtime-config-replication.html#RUNTIME-CONFIG-REPLICATION-STANDBY
 */
function replicaSettings(
  primary: Pick<Primary, "port" | "settings">,
  name: string,
  data: string,
): Record<string, string> {
  const entry = ([key, value]: [string, string]) => `${key}='${value.replace(/['\\]/g, "\\$&")}'`;
  const source = {
    host: "127.0.0.1",
    port: String(primary.port),
    user: sourceName(name),
    passfile: join(data, passwordFile),
    application_name: name,
  };
  return {
    ...primary.settings,
    hot_standby: "on",
    hot_standby_feedback: "on",
    wal_retrieve_retry_interval: "1s",
    primary_slot_name: sourceName(name),
    primary_conninfo: Object.entries(source).map(entry).join(" "),
  };
}

function settingsText(primary: Pick<Primary, "port" | "settings">, replica: LocalReplica, data: string): string {
  return renderSettings(portOf(replica), replicaSettings(primary, replica.name, data));
}

/** Whether a replica's settings file is as it should be. */
export function hasReplicaSettings(
  primary: Pick<Primary, "port" | "settings">,
  replica: LocalReplica,
  data: string,
): Promise<boolean> {
  return hasSettings(data, settingsText(primary, replica, data));
}

/** Writes the settings of a replica that does not run. */
export async function writeReplicaSettings(primary: Primary, replica: LocalReplica, cluster: Cluster): Promise<void> {
  const text = settingsText(primary, replica, cluster.data);
  await writePrivate(join(cluster.data, settingsFile), text, cluster.user);
}

/**
 * Why a replica has to be made, and cannot just be started, as the end of a sentence about it.
 * @param slot its slot at the primary; undefined where there is none, or where the primary cannot be asked
 */
export async function whyMake(place: Place, data: string, slot: Slot | undefined): Promise<string | undefined> {
  const own = await readCluster(data).catch(() => "damaged" as const);
  const source = await readCluster(place.data).catch(() => undefined);
  if (own === "damaged") return "has a damaged data folder";
  if (!own) return "is missing";
  if (source && own.systemIdentifier !== source.systemIdentifier) return "is of another server";
  if (!(await exists(join(data, signalFile)))) return "was promoted, and what was written to it since will be lost";
  if (!(await exists(join(data, passwordFile)))) return "has no password for its primary";
  if (slot?.lost) return "fell so far behind that the primary has removed the log that it needs";
  return undefined;
}

/**
 * Makes a replica out of a copy of its running primary. Complete or not at all: what a killed run leaves has another
 * name, and is thrown away by the next.
 * @see https://www.postgresql.org/docs/current/warm-standby.html#STANDBY-SERVER-SETUP
 */
export async function makeReplica(primary: Primary, replica: LocalReplica, cluster: Cluster): Promise<void> {
  const { name } = replica;
  const partial = `${cluster.data}.partial`;
  const password = randomBytes(passwordLength).toString("base64url");
  await makeFolders(primary.place, join(cluster.data, ".."));
  await stopServer(cluster);
  for (const folder of [partial, cluster.data]) await removeTree(folder);
  if (await exists(cluster.data))
    throw new UserError(`the data folder ${cluster.data} of the replica ${name} cannot be removed`, {
      fix: "Remove it by hand, then run `up` again.",
    });
  await asSuperuser(primary.port, primary.password, async (client) => {
    await makeRole(client, name, password);
    await dropSlot(client, sourceName(name));
    await makeSlot(client, name);
    await copyRunningServer(client, {
      data: primary.cluster.data,
      target: partial,
      label: `replica ${name}`,
      say: (line) => console.log(line),
    });
  });
  const source = `127.0.0.1:${primary.port}:*:${sourceName(name)}:${password}\n`;
  await writePrivate(join(partial, passwordFile), source, cluster.user);
  await writePrivate(join(partial, signalFile), "", cluster.user);
  await writePrivate(join(partial, settingsFile), settingsText(primary, replica, cluster.data), cluster.user);
  if (cluster.user) await giveTo(partial, cluster.user);
  await renameDurably(partial, cluster.data);
}

/** Folders that the server's user may pass through. */
async function makeFolders(place: Place, folder: string): Promise<void> {
  for (const path of [replicasFolder(place), folder]) {
    await mkdir(path, { recursive: true });
    await chmod(path, 0o711);
  }
}

async function giveTo(folder: string, { uid, gid }: SystemUser): Promise<void> {
  await chown(folder, uid, gid);
  for (const path of await readdir(folder, { recursive: true })) await chown(join(folder, path), uid, gid);
}
