import { join, resolve } from "node:path";
import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { type Backup, type CreateOptions, majorOf, newId } from "./backup.ts";
import { findDataFolder } from "./dataFolder.ts";
import { dumpDatabase } from "./dump.ts";
import { type Facts, readFacts } from "./facts.ts";
import { copyRunningServer } from "./physical.ts";
import { findClient, type Program } from "./programs.ts";
import { boundsOf, takeCensus } from "./rows.ts";
import { bytes } from "./sizes.ts";
import { addBackup, dataFolder, dumpFile, type Manifest, withBackupFolder } from "./store.ts";

const session = { applicationName: "postgres-from-code backup" };

/** How this server can be backed up from here. */
type Method = { data: string } | { pgDump: Program };

/** Makes a backup on this machine: physical where the data folder is here and readable, otherwise a dump. */
export async function createLocal(
  connection: Connection,
  directory: string,
  { reason, say }: CreateOptions,
): Promise<Backup> {
  return withClient(connection, session, async (client) => {
    const startedAt = new Date().toISOString();
    const facts = await readFacts(client);
    const method = await chooseMethod(client, facts);
    const id = newId(startedAt);
    try {
      const backup = await withBackupFolder(directory, () =>
        addBackup(directory, id, async (draft) => {
          const data =
            "data" in method
              ? await physical(client, { data: method.data, draft, id, say })
              : await dump(connection, { pgDump: method.pgDump, draft, say });
          await requireSameSchema(client, facts);
          const finishedAt = new Date().toISOString();
          const { serverVersion } = facts;
          const common = { format: 1, madeAt: finishedAt, major: majorOf(serverVersion), ...facts } as const;
          return { id, reason, startedAt, finishedAt, ...common, ...data };
        }),
      );
      say(`backup ${id}: ${backup.method}, ${bytes(backup.bytes)}, in ${join(directory, id)}`);
      return backup;
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError("the backup cannot be made", {
        why: messageOf(error),
        fix: "Put that right, or do without a backup: database:backupBefore: false.",
        cause: error,
      });
    }
  });
}

async function chooseMethod(client: pg.ClientBase, { serverVersion }: Facts): Promise<Method> {
  const folder = await findDataFolder(client);
  if ("path" in folder) return { data: folder.path };
  const major = Number(majorOf(serverVersion));
  const found = await findClient("pg_dump", major);
  if ("path" in found) return { pgDump: found };
  const program = found.newest ? `the newest pg_dump here is ${found.newest}` : "there is no pg_dump on PATH";
  throw new UserError(`there is no way to back this server up from here`, {
    why: `Its files cannot be copied: ${folder.obstacle}. And it cannot be dumped: ${program}, and the server is ${serverVersion}.`,
    fix:
      `Install pg_dump ${major} or later (Debian: postgresql-client-${major}), ` +
      "or do without a backup: database:backupBefore: false.",
  });
}

type Data = Pick<Manifest, "method" | "files" | "bytes" | "sha256" | "rows" | "bounds">;

async function physical(
  client: pg.ClientBase,
  { data, draft, id, say }: { data: string; draft: string; id: string; say: (line: string) => void },
): Promise<Data> {
  const before = await takeCensus(client, "before", say);
  const digest = await copyRunningServer(client, { data, target: join(draft, dataFolder), label: id, say });
  const after = await takeCensus(client, "after", say);
  return { method: "physical", ...digest, rows: before.rows, bounds: boundsOf(before, after) };
}

async function dump(
  connection: Connection,
  { pgDump, draft, say }: { pgDump: Program; draft: string; say: (line: string) => void },
): Promise<Data> {
  const made = await dumpDatabase(connection, { pgDump, file: join(resolve(draft), dumpFile), say });
  return { method: "dump", files: 1, bounds: {}, ...made };
}

/** A schema that changed meanwhile is in the backup half, or not: nothing could be compared with it. */
async function requireSameSchema(client: pg.ClientBase, before: Facts): Promise<void> {
  const after = await readFacts(client);
  if (after.fingerprint === before.fingerprint && after.head === before.head) return;
  throw new UserError("the schema was changed while it was backed up", {
    why: "What the backup holds of it depends on the moment, and so it could not be verified.",
    fix: "Try again when nobody changes the schema.",
  });
}
