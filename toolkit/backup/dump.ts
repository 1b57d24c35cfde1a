import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import type { CopiedFile } from "../server/copy.ts";
import { withClientEnvironment } from "./clientEnvironment.ts";
import type { Program } from "./programs.ts";
import { countRows } from "./rows.ts";
import { watch } from "./watch.ts";

/** Seconds that pg_dump waits for a table that another session has locked. */
const lockWait = 60;
const lastWords = 600;

/**
 * Dumps a database, and counts the rows of its tables in the very same snapshot. The dump comes through a pipe, so that
 * pg_dump ends when this process is killed.
 * @throws UserError with pg_dump's own words
 */
export async function dumpDatabase(
  connection: Connection,
  how: { pgDump: Program; file: string; say: (line: string) => void },
): Promise<CopiedFile & { rows: Record<string, number> }> {
  return withClient(connection, { applicationName: "postgres-from-code backup" }, async (holder) => {
    await holder.query("begin isolation level repeatable read read only");
    const { rows: exported } = await holder.query<{ snapshot: string }>("select pg_export_snapshot() as snapshot");
    const snapshot = exported[0]!.snapshot;
    const [file, rows] = await Promise.all([
      runDump(connection, snapshot, how),
      withClient(connection, { applicationName: "postgres-from-code backup" }, (client) =>
        countRows(client, { snapshot, say: how.say }),
      ),
    ]);
    return { ...file, rows };
  });
}

async function runDump(
  connection: Connection,
  snapshot: string,
  { pgDump, file, say }: { pgDump: Program; file: string; say: (line: string) => void },
): Promise<CopiedFile> {
  const args = ["--format=custom", `--snapshot=${snapshot}`, `--lock-wait-timeout=${lockWait}s`, "--no-password"];
  return withClientEnvironment(connection, async (env) => {
    const child = spawn(pgDump.path, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const ended = endOf(child, "pg_dump");
    const hash = createHash("sha256");
    const bar = watch({ title: "dumping the database", total: 0, say });
    let bytes = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        bytes += chunk.length;
        bar.update(bytes);
        done(null, chunk);
      },
    });
    const handle = await open(file, "wx", 0o600);
    try {
      const written = pipeline(child.stdout, measure, handle.createWriteStream({ flush: true }));
      await Promise.all([written, ended]);
    } finally {
      bar.stop();
      await handle.close().catch(() => {});
    }
    return { bytes, sha256: hash.digest("hex") };
  });
}

/**
 * Restores a dump into a database that is empty.
 * @param how.owners whether objects get the owners and rights that they had; the roles must exist then
 * @throws UserError with pg_restore's own words
 */
export async function restoreDump(
  connection: Connection,
  how: { pgRestore: Program; file: string; owners: boolean; say: (line: string) => void },
): Promise<void> {
  const rights = how.owners ? [] : ["--no-owner", "--no-privileges"];
  const args = ["--exit-on-error", "--no-password", ...rights, `--dbname=${conninfo(connection.database)}`, how.file];
  await withClientEnvironment(connection, async (env) => {
    const bar = watch({ title: "restoring the dump", total: 0, say: how.say });
    const ticker = setInterval(() => bar.update(0), 1_000);
    const child = spawn(how.pgRestore.path, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    await endOf(child, "pg_restore").finally(() => {
      clearInterval(ticker);
      bar.stop();
    });
  });
}

/** The name of a database for --dbname, which takes a name with an equals sign for a whole connection string. */
function conninfo(database: string): string {
  return `dbname='${database.replace(/['\\]/g, "\\$&")}'`;
}

/** @throws UserError when a program does not end well */
function endOf(child: ReturnType<typeof spawn>, name: string): Promise<void> {
  let words = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-lastWords);
  });
  return new Promise((done, failed) => {
    child.on("error", failed);
    child.on("close", (code, signal) => {
      if (code === 0) done();
      else failed(new UserError(`${name} failed`, { why: words.trim() || `It ended with ${signal ?? code}.` }));
    });
  });
}

/** The SHA-256 of a file, in hex. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Makes an empty database, from which nothing of a template has to be cleared. */
export async function createEmptyDatabase(client: pg.ClientBase, name: string): Promise<void> {
  await client.query(`create database ${pg.escapeIdentifier(name)} template template0`);
}
