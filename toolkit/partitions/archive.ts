import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { messageOf, UserError } from "../errors.ts";
import type { PartitionedTable } from "./tables.ts";

export type Format = "csv" | "binary";

/** What lies beside an archive, as `<archive>.json`: all that is needed to bring it back. */
export interface Manifest {
  version: 1;
  /** The table that the partition belonged to. */
  schema: string;
  table: string;
  partition: string;
  fromBound: string;
  toBound: string;
  columns: string[];
  format: Format;
  rows: number;
  /** The sum of the rows' hashes, by hashtextextended of their text. */
  rowsSum: string;
  file: string;
  bytes: number;
  sha256: string;
  archivedAt: string;
}

/**
 * Writes a table into a file, compressed, with its manifest; then reads the file back into a temporary table and
 * compares the rows. Both files appear under their names only when they are whole.
 * @param sql the table, that nobody writes to any more
 * @returns the path of the manifest
 * @throws UserError when the directory cannot be written, or what was read back is not the same
 */
export async function archiveTable(
  client: pg.Client,
  sql: string,
  described: Pick<Manifest, "schema" | "table" | "partition" | "fromBound" | "toBound" | "columns" | "format">,
  directory: string,
): Promise<string> {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const safe = (name: string) => name.replace(/[^\w-]/g, "_");
  const file = `${safe(described.schema)}.${safe(described.partition)}.${stamp}.${described.format}.gz`;
  const path = join(directory, file);
  const list = described.columns.join(", ");
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((error) => {
    throw new UserError(`the directory ${directory} cannot be made`, { why: messageOf(error), cause: error });
  });
  const [hash, written] = [createHash("sha256"), { bytes: 0 }];
  await pipeline(
    client.query(copyTo(`copy (select ${list} from ${sql}) to stdout (format ${described.format})`)),
    createGzip(),
    new Transform({
      transform(chunk: Buffer, _, done) {
        hash.update(chunk);
        written.bytes += chunk.length;
        done(null, chunk);
      },
    }),
    createWriteStream(`${path}.partial`, { mode: 0o600 }),
  );
  await synced(`${path}.partial`);
  await rename(`${path}.partial`, path);
  const manifest: Manifest = {
    ...{ version: 1, ...described, ...(await sumOf(client, sql, described.columns)) },
    ...{ file, bytes: written.bytes, sha256: hash.digest("hex"), archivedAt: new Date().toISOString() },
  };
  await verifyArchive(client, sql, path, manifest);
  await writeFile(`${path}.json.partial`, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
  await synced(`${path}.json.partial`);
  await rename(`${path}.json.partial`, `${path}.json`);
  await synced(directory);
  return `${path}.json`;
}

async function synced(path: string): Promise<void> {
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
}

/** How many rows there are, and the sum of their hashes, whatever their order. */
export async function sumOf(client: pg.ClientBase, sql: string, columns: string[]) {
  const { rows } = await client.query<Pick<Manifest, "rows" | "rowsSum">>(
    `select count(*)::float8 as rows, coalesce(sum(hashtextextended(row(${columns.join(", ")})::text, 0)), 0)::text as "rowsSum"
     from ${sql}`,
  );
  return rows[0]!;
}

async function verifyArchive(client: pg.Client, sql: string, path: string, manifest: Manifest): Promise<void> {
  const columns = manifest.columns.join(", ");
  await client.query("drop table if exists pg_temp.archive_read_back");
  await client.query(`create temporary table archive_read_back as select ${columns} from ${sql} with no data`);
  await readArchive(client, "pg_temp.archive_read_back", path, manifest);
  await client.query("drop table pg_temp.archive_read_back");
}

/**
 * Reads an archive into a table, and compares checksum and rows with the manifest.
 * @throws UserError when the file is damaged
 */
export async function readArchive(client: pg.Client, sql: string, path: string, manifest: Manifest): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  if (hash.digest("hex") !== manifest.sha256) throw damaged(path, "Its checksum is not that of the manifest.");
  const copy = copyFrom(`copy ${sql} (${manifest.columns.join(", ")}) from stdin (format ${manifest.format})`);
  await pipeline(createReadStream(path), createGunzip(), client.query(copy));
  const { rows, rowsSum } = await sumOf(client, sql, manifest.columns);
  if (rows !== manifest.rows || rowsSum !== manifest.rowsSum)
    throw damaged(path, `It gave ${rows} rows, and the manifest tells of ${manifest.rows}, or they are not the same.`);
}

function damaged(path: string, why: string): UserError {
  return new UserError(`the archive ${basename(path)} is damaged`, {
    why,
    fix: "Nothing was dropped for it. Take another copy of the file, or archive again.",
  });
}

/** Reads a manifest. @throws UserError when it is none */
export async function readManifest(path: string): Promise<{ manifest: Manifest; archive: string }> {
  try {
    const manifest = JSON.parse(await readFile(path, "utf8")) as Manifest;
    if (manifest.version !== 1 || typeof manifest.file !== "string") throw new Error("It lacks a version or a file.");
    return { manifest, archive: join(dirname(path), basename(manifest.file)) };
  } catch (error) {
    throw new UserError(`${path} is no manifest of an archived partition`, {
      why: messageOf(error),
      fix: "Name the file that ends in .json beside the archive.",
      exitCode: 2,
      cause: error,
    });
  }
}

/** The parent of a manifest, as SQL writes it. */
export function parentOf({ schema, table }: Pick<Manifest, "schema" | "table">): Pick<PartitionedTable, "sql"> {
  return { sql: `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}` };
}
