import { access, constants, readdir } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { type Binaries, findBinaries } from "../server/binaries.ts";
import { run, type SystemUser } from "../server/systemUser.ts";

/** pg_dump or pg_restore, of a version. */
export interface Program {
  path: string;
  major: number;
}

// Where packages put the programs of each major version, beside what is on PATH.
const packageFolders: readonly { parent: string; below: (name: string) => string | undefined }[] = [
  // Debian and Ubuntu
  { parent: "/usr/lib/postgresql", below: (name) => (/^\d+$/.test(name) ? `${name}/bin` : undefined) },
  // Red Hat and its kin, from postgresql.org
  { parent: "/usr", below: (name) => (/^pgsql-\d+$/.test(name) ? `${name}/bin` : undefined) },
  // Homebrew
  { parent: "/opt/homebrew/opt", below: (name) => (/^postgresql@\d+$/.test(name) ? `${name}/bin` : undefined) },
  { parent: "/usr/local/opt", below: (name) => (/^postgresql@\d+$/.test(name) ? `${name}/bin` : undefined) },
];

const suffix = process.platform === "win32" ? ".exe" : "";

/**
 * Finds a client program that understands a server: pg_dump refuses a server that is newer than itself.
 * @param atLeast the server's major version
 * @returns the program; otherwise the newest version that was found, 0 for none at all
 */
export async function findClient(
  name: "pg_dump" | "pg_restore",
  atLeast: number,
): Promise<Program | { newest: number }> {
  let newest = 0;
  for (const folder of await programFolders()) {
    const path = join(folder, name + suffix);
    const major = await majorOfProgram(path);
    if (major >= atLeast) return { path, major };
    newest = Math.max(newest, major);
  }
  return { newest };
}

/**
 * Finds a PostgreSQL of exactly one major version, to run a copy of a server: the one that came with the project, or one that is
 * installed on this machine.
 * @throws UserError where there is none
 */
export async function findServer(major: string, user: SystemUser | undefined): Promise<Binaries> {
  const embedded = await findBinaries(user).catch((error) => {
    if (error instanceof UserError) return undefined;
    throw error;
  });
  if (embedded?.major === major) return embedded;
  for (const folder of await programFolders()) {
    const program = (name: string) => join(folder, name + suffix);
    if ((await majorOfProgram(program("postgres"))) !== Number(major)) continue;
    const { stdout } = await run(program("postgres"), ["--version"]);
    const version = /PostgreSQL\) (\S+)/.exec(stdout)?.[1] ?? major;
    const programs = { initdb: program("initdb"), pg_ctl: program("pg_ctl"), postgres: program("postgres") };
    return { ...programs, version, major, root: dirname(folder) };
  }
  throw new UserError(`there is no PostgreSQL ${major} on this machine to restore into`, {
    why: embedded
      ? `The one that came with the project is ${embedded.version}, and only the same major version reads the data.`
      : "None came with the project for this platform.",
    fix: `Install the server of PostgreSQL ${major} (Debian: postgresql-${major}), or verify where there is one.`,
  });
}

async function programFolders(): Promise<string[]> {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  for (const { parent, below } of packageFolders) {
    const names = await readdir(parent).catch(() => []);
    folders.push(...names.flatMap((name) => below(name) ?? []).map((path) => join(parent, path)));
  }
  return folders;
}

/** 0 where it is not there or does not run. */
async function majorOfProgram(path: string): Promise<number> {
  try {
    await access(path, constants.X_OK);
    const { stdout } = await run(path, ["--version"]);
    return Number(/PostgreSQL\) (\d+)/.exec(stdout)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
