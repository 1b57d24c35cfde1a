import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { appendFile, chown, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, UserError } from "../errors.ts";
import type { Binaries } from "./binaries.ts";
import { exists, renameDurably, writePrivate } from "./files.ts";
import { run, type SystemUser } from "./systemUser.ts";

/** The name of the superuser in every cluster made here. */
export const superuser = "postgres";

/** The file of ours that the server's configuration includes last, so that it has the last word. */
export const settingsFile = "stack.conf";

/** A data folder, the programs that work on it, and who runs them. */
export interface Cluster {
  data: string;
  log: string;
  binaries: Binaries;
  user: SystemUser | undefined;
}

/**
 * Makes a new data folder: checksums, UTF-8, scram passwords for every connection. It is made beside its place and
 * renamed when complete, so that a run that was killed leaves nothing that looks complete.
 * @param options.partial where it is made, on the same file system; what a killed run left there is thrown away
 * @throws UserError with initdb's own words
 */
export async function initCluster(cluster: Cluster, options: { partial: string; password: string; sync?: boolean }) {
  const { partial } = options;
  await rm(partial, { recursive: true, force: true });
  await makeFolder(partial, cluster.user);
  const passwordFile = `${partial}.password`;
  const builtinLocale = Number(cluster.binaries.major) >= 17;
  try {
    await writePrivate(passwordFile, `${scramVerifier(options.password)}\n`, cluster.user);
    const { code, stderr } = await run(
      cluster.binaries.initdb,
      [
        `--pgdata=${partial}`,
        `--username=${superuser}`,
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--data-checksums",
        ...(builtinLocale ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : []),
        "--locale=C",
        ...(options.sync === false ? ["--no-sync"] : []),
      ],
      { user: cluster.user },
    );
    if (code !== 0)
      throw new UserError(`cannot make the data folder ${cluster.data}`, { why: stderr.trim() || `initdb: ${code}` });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await includeSettings(partial);
  await renameDurably(partial, cluster.data);
}

/**
 * Sets the superuser's password while the server is stopped, in single-user mode: nothing listens meanwhile. A
 * server that was killed recovers first.
 */
export async function setPassword(cluster: Cluster, password: string): Promise<void> {
  const quiet = ["log_statement=none", "log_min_duration_statement=-1", "log_min_error_statement=panic"];
  const { code, stdout, stderr } = await run(
    cluster.binaries.postgres,
    ["--single", ...quiet.flatMap((setting) => ["-c", setting]), "-D", cluster.data, "postgres"],
    { user: cluster.user, input: `alter role ${superuser} password '${scramVerifier(password)}'\n` },
  );
  if (code !== 0 || /ERROR:/.test(stderr))
    throw new UserError("cannot set the password of the server", { why: lastLines(stderr || stdout) });
}

/** What a data folder tells without a server. */
export interface ClusterFacts {
  /** The major version that made it. */
  major: string;
  /** Its unique number, which a copy shares. */
  systemIdentifier: string;
  /** Whether its last server ended with a checkpoint, and nothing has started since. */
  shutDown: boolean;
}

/**
 * Reads what a data folder tells.
 * @returns undefined where there is no such folder
 * @throws UserError when there is one that is no data folder of PostgreSQL, or a damaged one
 */
export async function readCluster(data: string): Promise<ClusterFacts | undefined> {
  try {
    const major = (await readFile(join(data, "PG_VERSION"), "utf8")).trim();
    // ControlFileData begins with the system identifier, 64 bits in the machine's byte order; the state follows two
    // 32-bit versions, and 1 is DB_SHUTDOWNED (src/include/catalog/pg_control.h).
    const control = await readFile(join(data, "global/pg_control"));
    return {
      major,
      systemIdentifier: control.readBigUInt64LE(0).toString(),
      shutDown: control.readUInt32LE(16) === 1,
    };
  } catch (error) {
    if (!(await exists(data))) return undefined;
    throw new UserError(`${data} is not a whole data folder of PostgreSQL`, {
      why: messageOf(error),
      fix: "Look at what it holds, and move it away if it is not needed. Nothing in it was changed.",
    });
  }
}

const includeLine = `include_if_exists = '${settingsFile}'`;

/** Makes the server read {@link settingsFile}, also in a data folder that something else made. */
export async function includeSettings(data: string): Promise<void> {
  const file = join(data, "postgresql.conf");
  if (!(await readFile(file, "utf8")).split("\n").includes(includeLine)) await appendFile(file, `\n${includeLine}\n`);
}

/** Whether the server's next start reads this text as {@link settingsFile}. */
export async function hasSettings(data: string, text: string): Promise<boolean> {
  const file = (name: string) => readFile(join(data, name), "utf8").catch(() => "");
  return (await file(settingsFile)) === text && (await file("postgresql.conf")).split("\n").includes(includeLine);
}

async function makeFolder(path: string, user: SystemUser | undefined): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (user) await chown(path, user.uid, user.gid);
}

/**
 * What the server stores in place of a password, so that neither a file nor a log ever holds the password itself.
 * @see https://www.rfc-editor.org/rfc/rfc7677 (4096 rounds, the server's default too)
 */
export function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const rounds = 4096;
  const salted = pbkdf2Sync(password, salt, rounds, 32, "sha256");
  const keyed = (text: string) => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(keyed("Client Key")).digest("base64");
  return `SCRAM-SHA-256$${rounds}:${salt.toString("base64")}$${storedKey}:${keyed("Server Key").toString("base64")}`;
}

/** The end of a log, for a message. */
export function lastLines(text: string, count = 8): string {
  return text.trim().split("\n").slice(-count).join("\n    ");
}
