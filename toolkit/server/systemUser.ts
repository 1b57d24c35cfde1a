import { type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { stat } from "node:fs/promises";
import { UserError } from "../errors.ts";

/** Who runs the server: PostgreSQL refuses to run as root, so root lends it another user. */
export interface SystemUser {
  uid: number;
  gid: number;
}

const accountName = "postgres";

/** Whether this process is root. Never true on Windows, which has no user ids. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * The user that the server runs as: nobody else (undefined) for a plain user; for root the owner of the data folder
 * where there is one, otherwise the account `postgres`, which is made where it is missing.
 * @throws UserError when a plain user meets a data folder of somebody else, or when the account cannot be made
 */
export async function serverUser(dataDirectory?: string): Promise<SystemUser | undefined> {
  const owner = dataDirectory ? await stat(dataDirectory).catch(() => undefined) : undefined;
  if (!isRoot()) {
    if (owner && process.getuid && owner.uid !== process.getuid())
      throw new UserError(`the data folder ${dataDirectory} belongs to another user (uid ${owner.uid})`, {
        why: "PostgreSQL starts only as the owner of its data folder.",
        fix: "Run the command as that user, or as root if root made the folder.",
      });
    return undefined;
  }
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return account() ?? makeAccount();
}

let known: SystemUser | undefined;

function account(): SystemUser | undefined {
  if (known) return known;
  const ids = ["-u", "-g"].map((flag) => spawnSync("id", [flag, accountName], { encoding: "utf8" }));
  const [uid, gid] = ids.map((result) => (result.status === 0 ? Number(result.stdout) : Number.NaN));
  if (uid && gid) known = { uid, gid };
  return known;
}

function makeAccount(): SystemUser {
  const args = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", accountName];
  const made = spawnSync("useradd", args, { encoding: "utf8" });
  const user = account();
  if (!user)
    throw new UserError(`the system user "${accountName}" is missing and cannot be made`, {
      why: `PostgreSQL refuses to run as root. ${(made.stderr || made.error?.message || "").trim()}`,
      fix: `Make the user "${accountName}" by hand, or run the command as a plain user.`,
    });
  console.log(`PostgreSQL refuses to run as root: made the system user "${accountName}" to run it`);
  return user;
}

/** Whether a user can enter a folder or read a file, judged by the system itself: modes and ACLs all the way count. */
export function canUse(path: string, user: SystemUser): boolean {
  const script = 'if test -d "$1"; then test -x "$1"; else test -r "$1"; fi';
  return spawnSync("/bin/sh", ["-c", script, "sh", path], { ...user, cwd: "/", stdio: "ignore" }).status === 0;
}

/** What a finished program left. */
export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

// What a server inherits: not the whole environment, which may hold the passphrase of the stack or settings of libpq.
const inherited = ["PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SystemRoot", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/** The environment of the programs that are run here, with messages in English. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return { ...Object.fromEntries(inherited.map((name) => [name, process.env[name]])), LC_ALL: "C", TZ: "UTC" };
}

/**
 * Runs a program to its end as `user`, with messages in English, whatever the machine's language.
 * @param options.input what the program reads from stdin
 * @throws UserError when the program cannot be started
 */
export function run(
  file: string,
  args: string[],
  options: { user?: SystemUser | undefined; input?: string } = {},
): Promise<Finished> {
  // The current folder may be one that the other user cannot enter.
  const how: SpawnOptions = { ...options.user, cwd: "/", env: plainEnvironment() };
  if (process.platform === "win32") delete how.cwd;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { ...how, stdio: "pipe" });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    child.on("error", (error) =>
      reject(new UserError(`cannot run ${file}`, { why: error.message, fix: "Run `npm ci` again.", cause: error })),
    );
    child.on("close", (code) => resolve({ code, ...output }));
    // A program that ends early closes its stdin; its exit code tells the story.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}
