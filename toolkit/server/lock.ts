import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { run } from "./systemUser.ts";

// A killed `up` may leave its provider at work for as long as a recovery or a copy takes.
const patience = 20 * 60_000;
const messageAfter = 1_000;

/**
 * Runs `work` while no other process runs any under the same lock, which is a file. A process that was killed loses
 * its lock: the file names the process and when that started, so that a number used again does not count.
 * @throws UserError when another process keeps the lock for twenty minutes
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const mine = `${process.pid} ${await startOf(process.pid)} ${randomBytes(6).toString("hex")}\n`;
  const started = Date.now();
  let told = false;
  while (!(await take(file, mine))) {
    const [holder] = (await readFile(file, "utf8").catch(() => "")).split(" ");
    const waited = Date.now() - started;
    if (waited > patience)
      throw new UserError("another run works on the same server", {
        why: `Process ${holder} has held ${file} for ${Math.round(waited / 60_000)} minutes.`,
        fix: `Wait until it ends, or end it.`,
      });
    if (!told && waited > messageAfter) {
      console.log(`waiting for process ${holder}, which works on the same server`);
      told = true;
    }
    await wait(100);
  }
  try {
    return await work();
  } finally {
    if ((await readFile(file, "utf8").catch(() => "")) === mine) await rm(file, { force: true });
  }
}

/** A link is made whole or not at all, and never over another one. */
async function take(file: string, mine: string): Promise<boolean> {
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, mine, { mode: 0o600 });
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    // ENOENT: whoever removed the place cleared our draft away with it.
    if (!["EEXIST", "ENOENT"].includes((error as { code?: string }).code ?? "")) throw error;
    await clearAbandoned(file);
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}

async function clearAbandoned(file: string): Promise<void> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return;
  const [pid, start] = text.split(" ");
  if ((await startOf(Number(pid))) === start) return;
  // Two may see the same dead holder: one of them renames, and looks whether it was still the dead one's.
  const aside = `${file}.${randomBytes(6).toString("hex")}`;
  await rename(file, aside).catch(() => {});
  if ((await readFile(aside, "utf8").catch(() => text)) !== text) await link(aside, file).catch(() => {});
  await rm(aside, { force: true });
}

/** When a process started, in a form of the system's; "gone" where there is no such process. */
async function startOf(pid: number): Promise<string> {
  if (process.platform === "linux") {
    try {
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      // Field 22 counts from the first; the second is the name in brackets, which may hold spaces.
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return `${boot}:${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
    } catch {
      return "gone";
    }
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { code?: string }).code !== "EPERM") return "gone";
  }
  if (process.platform === "win32") return "alive";
  const { stdout } = await run("ps", ["-o", "lstart=", "-p", String(pid)]);
  return stdout.trim().replace(/\s+/g, "_") || "gone";
}
