import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { startScratchServer } from "../../../../toolkit/migrate/locks/scratchServer.ts";
import { exists } from "../../../../toolkit/server/files.ts";
import { isTaken } from "../../../../toolkit/server/ports.ts";
import { until } from "../support.ts";

const base = await mkdtemp(join(tmpdir(), "scratch-base-"));
afterAll(() => rm(base, { recursive: true, force: true }));

function start(env: NodeJS.ProcessEnv, ...args: string[]): { child: ChildProcess; ended: Promise<string> } {
  const child = spawn(process.execPath, ["test/toolkit/migrate/plan/killedRun.ts", ...args], { env });
  const ended = new Promise<string>((done) => child.on("close", (_code, signal) => done(signal ?? "")));
  return { child, ended };
}

test("a run that is killed while its server runs leaves neither the server nor its folder", async () => {
  const { child, ended } = start(process.env);
  const text = await new Promise<string>((done) => child.stdout!.once("data", (chunk) => done(String(chunk))));
  const { folder, port } = JSON.parse(text) as { folder: string; port: number };
  expect([await exists(folder), await isTaken(port)]).toEqual([true, true]);
  child.kill("SIGKILL");
  expect(await ended).toBe("SIGKILL");
  await until(async () => !(await exists(folder)) && !(await isTaken(port)));
});

test.each([200, 600])("a run that is killed %i ms after it began to start its server leaves nothing", async (delay) => {
  const { ended } = start({ ...process.env, TMPDIR: base }, String(delay));
  expect(await ended).toBe("SIGKILL");
  await until(async () => (await readdir(base)).length === 0);
});

test("a server that is stopped is gone with its folder", async () => {
  const { folder, connection, stop } = await startScratchServer();
  await stop();
  expect([await exists(folder), await isTaken(connection.port)]).toEqual([false, false]);
});
