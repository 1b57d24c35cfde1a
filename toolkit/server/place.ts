import { createHash, randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { UserError } from "../errors.ts";
import { exists, removeTree } from "./files.ts";
import { canUse, isRoot, type SystemUser, serverUser } from "./systemUser.ts";

/** Where root keeps what the server's user must reach and the project's folder does not let it. */
export const systemFolder = "/var/lib/postgres-from-code";

/** The folders and files of one server. */
export interface Place {
  /** The folder that the user named, inside the project; people look here. */
  directory: string;
  /** What really holds the entries below: `directory`, or a folder of root's that `directory` links to. */
  home: string;
  data: string;
  log: string;
  backups: string;
  /** The file by which one run at a time works on the server. */
  lock: string;
}

// The entries that `directory` links to when they are elsewhere.
const entries = { log: "postgresql.log", data: "data" };
// Folders that a run makes beside `data`, and the file of a password's hash that initdb reads.
const unfinished = /^data\.(partial|removed)-[0-9a-f]+(\.|$)/;

function placeAt(directory: string, home: string): Place {
  return {
    directory,
    home,
    data: join(home, entries.data),
    log: join(home, entries.log),
    // Copies are made by this process, not by the server's user: they stay with the project.
    backups: join(directory, "backups"),
    lock: join(directory, "server.lock"),
  };
}

/**
 * Where the server of a folder is now, or would be if it is in the folder itself. Reads only.
 * @param directory relative to the project's root, which is the current folder
 * @throws UserError when the place belongs to another copy of the project
 */
export async function findPlace(directory: string): Promise<Place> {
  const absolute = resolve(directory);
  const link = await readlink(join(absolute, entries.data)).catch(() => undefined);
  if (link) {
    const place = placeAt(absolute, dirname(link));
    await refuseStranger(place);
    return place;
  }
  // The project's folder may have been deleted and cloned again, without its links: the data is still there.
  const home = isRoot() && !(await exists(join(absolute, entries.data))) ? await systemHome(absolute) : undefined;
  return placeAt(absolute, home && (await ownerOf(home)) === absolute ? home : absolute);
}

/**
 * Finds or makes the place of a server, such that the user who runs the server can reach it: `.local/<stack>` itself,
 * or, for root with a project in a folder of its own (`mktemp -d`, /root), a folder below {@link systemFolder}.
 * @throws UserError when the place belongs to another copy of the project, or holds data that cannot be reached
 */
export async function makePlace(directory: string): Promise<{ place: Place; user: SystemUser | undefined }> {
  const found = await findPlace(directory);
  await mkdir(found.directory, { recursive: true, mode: 0o700 });
  const user = await serverUser(found.data);
  if (!isRoot() || !user) return { place: found, user };
  if (found.home === found.directory) {
    if (await admit(found.directory, user)) return { place: found, user };
    if (await exists(found.data))
      throw new UserError(`the server's user (uid ${user.uid}) cannot reach its data folder ${found.data}`, {
        why: "A folder above it lets only root in, and PostgreSQL refuses to run as root.",
        fix: "Move the project to where others may enter, or let them through with `chmod o+x` on the folders above.",
      });
  }
  const home = found.home === found.directory ? await systemHome(found.directory) : found.home;
  const place = placeAt(found.directory, home);
  await makeHome(place);
  return { place, user };
}

/** The folder of root's for a server: the one that is this project's already, or a name that nobody has. */
async function systemHome(directory: string): Promise<string> {
  const name = `${basename(process.cwd())}-${basename(directory)}`.replace(/[^\w.-]/g, "_");
  const base = join(systemFolder, `${name}-${createHash("sha256").update(directory).digest("hex").slice(0, 8)}`);
  for (let number = 1; ; number++) {
    const home = number === 1 ? base : `${base}-${number}`;
    const owner = await ownerOf(home);
    // A project that was moved elsewhere still uses the folder that has its old name.
    if (owner === directory || (owner === undefined && !(await exists(join(home, entries.data))))) return home;
  }
}

/** The folder of the project that uses a folder of root's. */
async function ownerOf(home: string): Promise<string | undefined> {
  return (await readFile(join(home, "project"), "utf8").catch(() => "")).trim() || undefined;
}

/** Lets the server's user through the folders that are ours; false when one further up stops it. */
async function admit(directory: string, user: SystemUser): Promise<boolean> {
  const project = `${process.cwd()}${sep}`;
  for (let folder = directory; folder === directory || folder.startsWith(project); folder = dirname(folder)) {
    const { mode } = await lstat(folder);
    await chmod(folder, (mode & 0o7777) | 0o011);
  }
  return canUse(directory, user);
}

/** A new name beside `data`: for a data folder while it is made, or while it is removed. */
export function besideData(place: Place, what: "partial" | "removed"): string {
  return join(place.home, `${entries.data}.${what}-${randomBytes(4).toString("hex")}`);
}

/** Removes what killed runs left half-made or half-removed. */
export async function clearUnfinished(place: Place): Promise<void> {
  const names = await readdir(place.home).catch(() => []);
  for (const name of names.filter((entry) => unfinished.test(entry))) await removeTree(join(place.home, name));
}

/** Removes what is left of a place without a data folder; its backups stay, and the way to them. */
export async function leavePlace(place: Place): Promise<void> {
  await clearUnfinished(place);
  for (const file of [place.log, `${place.log}.1`]) await rm(file, { force: true });
  const drafts = `${basename(place.lock)}.`;
  for (const name of await readdir(place.directory))
    if (name.startsWith(drafts)) await rm(join(place.directory, name), { force: true });
  if (place.home === place.directory) return;
  for (const name of Object.values(entries)) await rm(join(place.directory, name), { force: true });
  await rm(place.home, { recursive: true, force: true });
}

async function makeHome(place: Place): Promise<void> {
  for (const folder of [systemFolder, place.home]) {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
  }
  await writeFile(join(place.home, "project"), `${place.directory}\n`);
  // The link to `data` comes last: by it the place is found again.
  for (const name of Object.values(entries)) {
    const [link, target] = [join(place.directory, name), join(place.home, name)];
    if ((await readlink(link).catch(() => undefined)) === target) continue;
    if (name === entries.data)
      console.log(`the server's files are in ${place.home}: its user cannot enter the project's folder`);
    await rm(link, { force: true });
    await symlink(target, link);
  }
}

/** Two copies of a project must not run one data folder: the second would stop the first one's server. */
async function refuseStranger(place: Place): Promise<void> {
  const owner = await ownerOf(place.home);
  if (!owner || owner === place.directory) return;
  if ((await readlink(join(owner, entries.data)).catch(() => undefined)) !== place.data) return;
  throw new UserError(`the server's files in ${place.home} belong to the project in ${owner}`, {
    why: `${place.directory} is a copy of that project's folder, with links to its data.`,
    fix: `Remove the links in ${place.directory} to start with an empty server here.`,
  });
}
