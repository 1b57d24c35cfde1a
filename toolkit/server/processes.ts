import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { run } from "./systemUser.ts";

// Milliseconds: how long the processes of a killed server may finish by themselves before they are told to end.
const orphanPatience = 3_000;
const pause = 100;

/** Whether a process is the server of a data folder. */
export async function isServer(pid: number, data: string): Promise<boolean> {
  if (process.platform === "linux") return worksIn(pid, data);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { code?: string }).code !== "EPERM") return false;
  }
  if (process.platform === "win32") return true;
  const { stdout } = await run("ps", ["-o", "command=", "-p", String(pid)]);
  return stdout.includes(data);
}

/** Every process of a server has the data folder as its current folder; Linux tells it without a program like `ps`. */
function worksIn(pid: number, data: string): boolean {
  try {
    return folderOfPostgres(pid) === realpathSync(data);
  } catch {
    return false;
  }
}

function folderOfPostgres(pid: number): string | undefined {
  try {
    const isPostgres = readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "postgres";
    return isPostgres ? readlinkSync(`/proc/${pid}/cwd`) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Clears what a killed server left, where none runs: its pid file, whose number may belong to another program of the same user, which
 * PostgreSQL would take for a running server; and its processes, which keep its shared memory while they work.
 */
export async function clearRemains(data: string): Promise<void> {
  const started = Date.now();
  let told = false;
  for (let left = orphans(data); left.length > 0; left = orphans(data)) {
    const waited = Date.now() - started;
    if (waited > 10 * orphanPatience)
      throw new UserError(`processes of a killed server still work in ${data}`, {
        fix: `End them: ${left.join(" ")}.`,
      });
    if (!told && waited > orphanPatience) {
      console.log(`ending ${left.length} processes of the killed server`);
      for (const pid of left) tell(pid, "SIGTERM");
      told = true;
    }
    await wait(pause);
  }
  await rm(join(data, "postmaster.pid"), { force: true });
}

function orphans(data: string): number[] {
  if (process.platform !== "linux") return [];
  return processes().filter((pid) => worksIn(pid, data));
}

const processes = () =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0);

/**
 * The processes whose data folder stood here and was deleted under them (`rm -rf .local`). PostgreSQL notices within a
 * minute and ends by itself; until then it holds the port. Linux only.
 */
export function deletedServer(data: string): number[] {
  if (process.platform !== "linux") return [];
  return processes().filter((pid) => folderOfPostgres(pid) === `${data} (deleted)`);
}

/** Ends what {@link deletedServer} found: there are no files any more that it could write. */
export async function endDeletedServer(data: string): Promise<void> {
  const found = deletedServer(data);
  if (found.length === 0) return;
  console.log("ending a server whose data folder was deleted while it ran");
  for (const pid of found) tell(pid, "SIGQUIT");
  for (const started = Date.now(); deletedServer(data).length > 0; await wait(pause))
    if (Date.now() - started > orphanPatience) for (const pid of deletedServer(data)) tell(pid, "SIGKILL");
}

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended in the meantime.
  }
}
