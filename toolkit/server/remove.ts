import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { findBinaries } from "./binaries.ts";
import { type Cluster, readCluster } from "./cluster.ts";
import { serverStatus, stopServer } from "./control.ts";
import { requireSpace, treeSize } from "./copy.ts";
import { removeTree, renameDurably } from "./files.ts";
import { makeFinalBackup } from "./finalBackup.ts";
import { withLock } from "./lock.ts";
import { isOwnedBy } from "./owner.ts";
import { besideData, findPlace, leavePlace, type Place } from "./place.ts";
import { clearRemains } from "./processes.ts";
import type { ServerOutputs } from "./properties.ts";
import { removeReplicas } from "./replicas.ts";
import { serverUser } from "./systemUser.ts";

/**
 * Stops a server and removes its data, after copying it to a final backup unless that is not wanted. A data folder of
 * another server than the resource's own is left alone.
 * @throws UserError when the server does not stop or the backup cannot be made; the data is there then
 */
export async function removeServer(id: string, props: ServerOutputs): Promise<void> {
  const place = await findPlace(props.directory);
  if (!(await readCluster(place.data))) {
    await removeReplicas(place, []);
    return;
  }
  if (!(await isOwnedBy(place.data, id))) {
    console.log(`${place.data} belongs to another server by now: it is left alone`);
    return;
  }
  await withLock(place.lock, async () => {
    const keep = props.finalBackup;
    // A lack of space is better known while the server still runs.
    if (keep) await requireSpace(place.directory, (await treeSize(place.data)).bytes);
    await removeReplicas(place, []);
    await stop(place);
    if (keep) {
      const name = await makeFinalBackup(place);
      console.log(`final backup: ${join(props.directory, "backups", name)}`);
      console.log(`to start from it: up -c database:restoreFrom=${join(props.directory, "backups", name)}`);
    } else console.log("no final backup is kept: database:finalBackup is false");
    const removed = besideData(place, "removed");
    await renameDurably(place.data, removed);
    await removeTree(removed);
    await leavePlace(place);
  });
  // The stack's state lies in there too, as long as there is one.
  await rmdir(place.directory).catch(() => {});
}

async function stop(place: Place): Promise<void> {
  if (await serverStatus(place.data)) {
    console.log("stopping the server");
    const user = await serverUser(place.data);
    const cluster: Cluster = { data: place.data, log: place.log, binaries: await findBinaries(user), user };
    await stopServer(cluster);
  }
  await clearRemains(place.data);
}
