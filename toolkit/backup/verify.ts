import { join, resolve } from "node:path";
import { withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { fingerprint } from "../migrate/fingerprint.ts";
import { count } from "../terminal.ts";
import { type Backup, majorOf } from "./backup.ts";
import { createEmptyDatabase, restoreDump, sha256Of } from "./dump.ts";
import { findClient, type Program } from "./programs.ts";
import { countRows, rowDifferences } from "./rows.ts";
import { type Scratch, withScratchServer } from "./scratch.ts";
import { dumpFile, type Manifest, readManifest } from "./store.ts";

/** What was found to be so. */
export interface Verified {
  id: string;
  /** Tables whose rows were counted and compared. */
  tables: number;
  rows: number;
  fingerprint: string;
}

const session = { applicationName: "postgres-from-code backup" };
const scratchDatabase = "restored";

/**
 * Proves that a backup of this machine restores: compares it with its checksum, restores it into a scratch server, and
 * compares the schema and the rows there with what was recorded when it was made. Counting reads every page of every table,
 * so that the server checks the page checksums as well, where the data has them.
 * @throws UserError where the backup is damaged, or there is nothing here that could verify it
 */
export async function verifyLocal(directory: string, id: string, say: (line: string) => void): Promise<Verified> {
  const manifest = await readManifest(directory, id);
  const folder = resolve(directory, id);
  return manifest.method === "dump" ? verifyDump(folder, manifest, say) : verifyPhysical(folder, manifest, say);
}

async function verifyPhysical(folder: string, manifest: Manifest, say: (line: string) => void): Promise<Verified> {
  const { major = majorOf(manifest.serverVersion), superuser = "postgres" } = manifest;
  // The copy into the scratch server is compared with the checksum while it is made.
  return withScratchServer({ major, superuser, source: folder, say }, async (scratch) => {
    if (manifest.database) return compare(scratch, manifest.database, manifest, say);
    await withClient(scratch.connectionTo("postgres"), session, (client) => client.query("select 1"));
    say("a server starts from it; a final backup records neither rows nor a fingerprint to compare");
    return { id: manifest.id, tables: 0, rows: 0, fingerprint: "" };
  });
}

async function verifyDump(folder: string, manifest: Manifest, say: (line: string) => void): Promise<Verified> {
  const file = join(folder, dumpFile);
  await requireSame(file, manifest);
  const pgRestore = await findPgRestore(manifest);
  const { major } = manifest;
  return withScratchServer({ major, superuser: "postgres", source: "empty", say }, async (scratch) => {
    await withClient(scratch.connectionTo("postgres"), session, (client) =>
      createEmptyDatabase(client, scratchDatabase),
    );
    say("restoring the dump into a scratch server");
    await restoreDump(scratch.connectionTo(scratchDatabase), { pgRestore, file, owners: false, say });
    return compare(scratch, scratchDatabase, manifest, say);
  });
}

/** @throws UserError where a dump was changed since it was made */
export async function requireSame(file: string, manifest: Manifest): Promise<void> {
  const found = await sha256Of(file).catch((error: Error) => error);
  if (found === manifest.sha256) return;
  throw new UserError(`the backup ${manifest.id} is not whole`, {
    why: found instanceof Error ? found.message : `What ${dumpFile} holds is not what the manifest's checksum says.`,
    fix: "Use another backup.",
  });
}

/** @throws UserError where this machine has no pg_restore that reads the dump */
export async function findPgRestore({ id, serverVersion }: Backup): Promise<Program> {
  const major = Number(majorOf(serverVersion));
  const found = await findClient("pg_restore", major);
  if ("path" in found) return found;
  throw new UserError(`the dump ${id} cannot be restored from this machine: it has no pg_restore ${major} or later`, {
    why: found.newest ? `The newest that was found is ${found.newest}.` : "There is none on PATH.",
    fix: `Install the client of PostgreSQL ${major} (Debian: postgresql-client-${major}).`,
  });
}

async function compare(
  scratch: Scratch,
  database: string,
  expected: Backup,
  say: (line: string) => void,
): Promise<Verified> {
  const found = await withClient(scratch.connectionTo(database), session, async (client) => ({
    fingerprint: await fingerprint(client),
    rows: await countRows(client, { say }),
  }));
  requireEqual(expected, found);
  const rows = Object.values(found.rows).reduce((sum, one) => sum + one, 0);
  const tables = Object.keys(expected.rows).length;
  say(`restored: tables ${count(tables)}, rows ${count(rows)}; the schema is the one that was recorded`);
  return { id: expected.id, tables, rows, fingerprint: found.fingerprint };
}

/** @throws UserError where what was restored is not what was recorded */
export function requireEqual(expected: Backup, found: { fingerprint: string; rows: Record<string, number> }): void {
  const differences = rowDifferences(expected, found.rows);
  if (found.fingerprint !== expected.fingerprint)
    differences.unshift(
      `the schema's fingerprint is ${found.fingerprint.slice(0, 12)}, not ${expected.fingerprint.slice(0, 12)}`,
    );
  if (differences.length === 0) return;
  throw new UserError(`what the backup ${expected.id} restores to is not what was backed up`, {
    why: differences.join("; "),
    fix: "Do not rely on it: make another backup and verify that one.",
  });
}
