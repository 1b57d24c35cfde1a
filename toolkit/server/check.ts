import { messageOf, UserError } from "../errors.ts";
import type { CheckFailure } from "../provider.ts";
import { findBinaries } from "./binaries.ts";
import { checkSettings } from "./checkSettings.ts";
import { readCluster } from "./cluster.ts";
import { serverStatus } from "./control.ts";
import { refusal, requireMajor } from "./create.ts";
import { isRestoredFrom, readBackup } from "./finalBackup.ts";
import { findPlace } from "./place.ts";
import { describeListener, freePortAbove, isTaken } from "./ports.ts";
import { deletedServer } from "./processes.ts";
import type { ServerInputs } from "./properties.ts";
import { portOf, replicaData } from "./replica.ts";
import { portsInUse } from "./replicas.ts";
import { isRoot, serverUser } from "./systemUser.ts";

/**
 * Looks, without touching anything, whether the server that is asked for can be had here.
 * @param olds what was asked for last time; nothing for a new server
 * @returns one failure for each thing that stands in the way
 */
export async function checkServer(olds: Partial<ServerInputs>, news: ServerInputs): Promise<CheckFailure[]> {
  const failures: CheckFailure[] = [];
  async function collect(property: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push({ property, reason: error.message });
    }
  }
  await collect("directory", () => checkDirectory(olds, news));
  await collect("version", () => checkVersion(news));
  await collect("port", () => checkPort(news));
  await collect("replicas", () => checkReplicaPorts(news));
  await collect("restoreFrom", () => checkRestore(olds, news));
  await collect("settings", async () => {
    failures.push(...(await checkSettings(await findBinaries(), news.settings)));
  });
  return failures;
}

/** The data stays where it is: a move would be a new, empty server beside a forgotten one. */
async function checkDirectory(olds: Partial<ServerInputs>, news: ServerInputs): Promise<void> {
  const { data } = await findPlace(news.directory);
  await readCluster(data);
  // Root's part of it would make the account, which is no reading.
  if (!isRoot()) await serverUser(data);
  if (!olds.directory || olds.directory === news.directory) return;
  const old = await findPlace(olds.directory);
  if (!(await readCluster(old.data).catch(() => "damaged"))) return;
  throw new UserError(`the server's folder cannot change from ${olds.directory} to ${news.directory}`, {
    why: `Its data is in ${old.data}.`,
    fix: `Run \`destroy\`, which keeps a final backup, then \`up -c database:restoreFrom=…\` in the new folder.`,
  });
}

async function checkVersion(news: ServerInputs): Promise<void> {
  const binaries = await findBinaries();
  if (binaries.major !== news.version)
    throw new UserError(`there is no embedded PostgreSQL ${news.version}`, {
      why: `The npm package that is installed holds PostgreSQL ${binaries.version}.`,
      fix: `Set database:version to ${binaries.major}.`,
    });
  const place = await findPlace(news.directory);
  const existing = await readCluster(place.data).catch(() => undefined);
  if (existing) requireMajor(existing.major, { binaries }, place);
}

async function checkPort({ directory, port }: ServerInputs): Promise<void> {
  const { data } = await findPlace(directory);
  await requirePort(data, port);
}

/** What another server of the stack listens on now does not count: it may be about to give it up. */
async function checkReplicaPorts({ directory, replicas = [] }: ServerInputs): Promise<void> {
  const place = await findPlace(directory);
  const ours = await portsInUse(place);
  for (const replica of replicas) {
    const port = portOf(replica);
    if (!ours.includes(port)) await requirePort(replicaData(place, replica.name), port);
  }
}

async function requirePort(data: string, port: number): Promise<void> {
  if ((await serverStatus(data))?.port === port || deletedServer(data).length > 0 || !(await isTaken(port))) return;
  const free = await freePortAbove(port);
  throw new UserError(`port ${port} is taken`, {
    why: `${describeListener(port) ?? "Another program"} listens on it.`,
    fix: `End that program, or take another port: \`up -c database:port=${free ?? "…"}\`.`,
  });
}

async function checkRestore(olds: Partial<ServerInputs>, news: ServerInputs): Promise<void> {
  const { restoreFrom } = news;
  const place = await findPlace(news.directory);
  const existing = await readCluster(place.data).catch((error) => ({ error: messageOf(error) }));
  if (existing && "error" in existing) return;
  if (existing) {
    if (restoreFrom && !(await isRestoredFrom(place.data, restoreFrom))) throw refusal(place, restoreFrom);
    if (restoreFrom) console.log(`restoreFrom is passed over: the server was restored from ${restoreFrom} already`);
    if (!olds.directory) console.log(`${place.data} is there already: up will adopt it, with every row`);
    return;
  }
  if (!restoreFrom) return;
  const manifest = await readBackup(restoreFrom);
  const { major, version } = await findBinaries();
  if (manifest.major !== major)
    throw new UserError(`the backup ${restoreFrom} is of PostgreSQL ${manifest.major}`, {
      why: `The embedded PostgreSQL is ${version}, and a server reads only the files of its own major version.`,
      fix: "Use a backup of that version.",
    });
}
