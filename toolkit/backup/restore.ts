import { join, resolve } from "node:path";
import pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { findBinaries } from "../server/binaries.ts";
import { exists } from "../server/files.ts";
import { restoreBackup as restoreData } from "../server/finalBackup.ts";
import { serverUser } from "../server/systemUser.ts";
import { majorOf } from "./backup.ts";
import { createEmptyDatabase, restoreDump } from "./dump.ts";
import { dataFolder, dumpFile, type Manifest, readManifest } from "./store.ts";
import { findPgRestore, requireSame } from "./verify.ts";

/** Where a backup is restored to: what is named must not exist yet. */
export interface RestoreOptions {
  /** Of a dump: the database that is made. */
  database?: string;
  /** Of a physical backup: the data folder that is made. Without it, only what to do is told. */
  folder?: string;
  /** Of a snapshot: the identifier of the instance that is made. */
  instance?: string;
  /** Of a snapshot: an instance costs money, so somebody has to want it. */
  yes?: boolean;
  /** Only tells what would be done. */
  dryRun?: boolean;
  say: (line: string) => void;
}

/** What was restored, or what has to be done. */
export interface Restored {
  id: string;
  /** The database, data folder or instance that was made; absent where nothing was. */
  made?: string;
  /** What to do now, in commands. */
  next: string[];
}

const session = { applicationName: "postgres-from-code restore" };
const draftSuffix = ".restoring";

/** Restores a backup of this machine: a dump into a new database, a physical one into a new data folder. */
export async function restoreLocal(
  connection: Connection,
  directory: string,
  id: string,
  options: RestoreOptions,
): Promise<Restored> {
  const manifest = await readManifest(directory, id);
  return manifest.method === "dump"
    ? restoreIntoDatabase(connection, join(resolve(directory), id, dumpFile), manifest, options)
    : restoreIntoFolder(join(directory, id), manifest, options);
}

async function restoreIntoFolder(folder: string, manifest: Manifest, options: RestoreOptions): Promise<Restored> {
  const { id } = manifest;
  if (options.database !== undefined)
    throw new UserError(`${id} is a physical backup: it cannot become a database of a server that runs`, {
      why: "It holds the files of a whole server, all of its databases.",
      fix: "Leave --database out, and do what the command then tells; or give --to FOLDER for a data folder.",
      exitCode: 2,
    });
  const major = manifest.major ?? majorOf(manifest.serverVersion);
  if (!(await exists(join(folder, dataFolder, "postgresql.conf"))))
    options.say("postgresql.conf and pg_hba.conf were outside the data folder: the server needs its own again");
  if (options.folder === undefined) return { id, next: await waysToStart(folder, id, major) };
  const data = resolve(options.folder);
  if (await exists(data))
    throw new UserError(`${data} exists already`, {
      why: "A backup is never restored over anything.",
      fix: "Give a folder that does not exist yet.",
      exitCode: 2,
    });
  const next = [`pg_ctl -D ${data} start    # PostgreSQL ${major}`];
  if (options.dryRun) {
    options.say(`would make the data folder ${data} from ${id}`);
    return { id, next };
  }
  const user = await serverUser();
  await restoreData({ data, user }, folder, `${data}${draftSuffix}`);
  return { id, made: data, next };
}

/** A server of the stack starts from it where the embedded PostgreSQL reads it; any other needs a data folder. */
async function waysToStart(folder: string, id: string, major: string): Promise<string[]> {
  const embedded = await findBinaries().catch(() => undefined);
  if (embedded?.major !== major) return [`npm run toolkit -- backups restore ${id} --to FOLDER`];
  const stack = /^\.local\/([^/]+)\/backups\//.exec(folder)?.[1] ?? "local";
  const named = stack === "local" ? "" : ` --stack ${stack}`;
  return [`npm run destroy --${named} --yes`, `npm run up --${named} -c database:restoreFrom=${folder}`];
}

async function restoreIntoDatabase(
  connection: Connection,
  file: string,
  manifest: Manifest,
  { database, dryRun, say }: RestoreOptions,
): Promise<Restored> {
  const { id } = manifest;
  if (!database)
    throw new UserError(`${id} is a dump: where it goes is not said`, {
      fix: `Name a new database on the same server: toolkit backups restore ${id} --database ${manifest.database}_restored.`,
      exitCode: 2,
    });
  return withClient(connection, session, async (client) => {
    await requireFree(client, database);
    const pgRestore = await findPgRestore(manifest);
    await requireSame(file, manifest);
    const next = [`alter database ${pg.escapeIdentifier(database)} rename to …    # once nobody uses the old one`];
    if (dryRun) {
      say(`would restore ${id} into the new database ${database} on ${connection.host}:${connection.port}`);
      return { id, next };
    }
    const owners = await mayGiveAway(client);
    if (!owners) say(`everything in it will belong to ${connection.user}, who may not give it to others`);
    // Under another name until it is complete: a database of the name that was asked for is never half of one.
    const draft = database + draftSuffix;
    await client.query(`drop database if exists ${pg.escapeIdentifier(draft)}`);
    await createEmptyDatabase(client, draft);
    try {
      await restoreDump({ ...connection, database: draft }, { pgRestore, file, owners, say });
    } catch (error) {
      await client.query(`drop database ${pg.escapeIdentifier(draft)}`).catch(() => {});
      throw error;
    }
    await client.query(`alter database ${pg.escapeIdentifier(draft)} rename to ${pg.escapeIdentifier(database)}`);
    say(`restored ${id} into the database ${database}`);
    return { id, made: database, next };
  });
}

async function requireFree(client: pg.ClientBase, database: string): Promise<void> {
  const { rowCount } = await client.query("select from pg_database where datname = $1", [database]);
  if (!rowCount) return;
  throw new UserError(`the database ${database} exists already`, {
    why: "A backup is never restored over anything.",
    fix: "Give another name, look at what is in it, and rename the databases then.",
    exitCode: 2,
  });
}

/** Only a superuser can make any role the owner. */
async function mayGiveAway(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ may: boolean }>(
    "select rolsuper as may from pg_roles where rolname = current_user",
  );
  return rows[0]!.may;
}
