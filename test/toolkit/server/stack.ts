import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { jest } from "@jest/globals";
import type pg from "pg";
import { type Connection, withClient } from "../../../toolkit/connection.ts";
import { readCluster } from "../../../toolkit/server/cluster.ts";
import { serverStatus } from "../../../toolkit/server/control.ts";
import type { ServerInputs, ServerOutputs } from "../../../toolkit/server/properties.ts";
import { delete_ } from "../../../toolkit/server/resource.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { freePort, temporaryBase } from "../../support/server.ts";

/** A folder of a test's own in which a stack's server may stand. */
export interface Stack {
  folder: string;
  inputs: ServerInputs;
  data: string;
  /** Removes the server, whatever state it is in, and the folder. */
  remove(): Promise<void>;
}

// Little memory and no waiting for the disk: only what these tests look at is as in life.
const settings = { shared_buffers: "16MB", work_mem: "4MB", max_connections: "20", fsync: "off" };

/** Makes a folder that the server's user may enter, and the inputs of a server in it. */
export async function makeStack(): Promise<Stack> {
  const folder = await mkdtemp(join(await temporaryBase(await serverUser()), "server-test-"));
  await chmod(folder, 0o755);
  const directory = join(folder, "test");
  const data = join(directory, "data");
  return {
    folder,
    data,
    inputs: { directory, port: await freePort(), version: "17", database: "investment", settings, finalBackup: false },
    async remove() {
      // The owner that is noted, or the system identifier of a data folder that has none yet.
      const owner = await readFile(join(data, "stack.id"), "utf8").catch(() => undefined);
      const id = owner?.trim() ?? (await readCluster(data))?.systemIdentifier;
      if (id) await printed(() => delete_(id, { directory, finalBackup: false } as ServerOutputs));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What the work printed for the engine to show. */
export async function printed<T>(work: () => Promise<T>): Promise<{ result: T; text: string }> {
  const lines: string[] = [];
  const spy = jest.spyOn(console, "log").mockImplementation((...line) => void lines.push(line.join(" ")));
  try {
    return { result: await work(), text: lines.join("\n") };
  } finally {
    spy.mockRestore();
  }
}

/** One question to a server, in a session of its own. */
export function ask<T extends pg.QueryResultRow>(connection: Connection, sql: string): Promise<T> {
  return withClient(connection, {}, async (client) => (await client.query<T>(sql)).rows[0]!);
}

/** When the server was started: another time after each restart. */
export async function startTime(connection: Connection): Promise<string> {
  return (await ask<{ at: string }>(connection, "select pg_postmaster_start_time()::text as at")).at;
}

/** Kills the postmaster as a power cut or the out-of-memory killer does. */
export async function killServer(data: string): Promise<void> {
  process.kill(Number((await readFile(join(data, "postmaster.pid"), "utf8")).split("\n")[0]), "SIGKILL");
  await until(async () => !(await serverStatus(data)));
}

/** Waits for a moment that comes soon; a test that misses it should fail, not hang. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const limit = 30_000;
  for (const started = Date.now(); !(await condition()); await new Promise((resolve) => setTimeout(resolve, 2)))
    if (Date.now() - started > limit) throw new Error(`waited ${limit} ms for ${condition}`);
}

/** Calls a method of the resource in a process of its own, which a test may kill. */
export function inChild(
  method: string,
  args: unknown[],
  options: { cwd?: string; uid?: number; gid?: number; env?: Record<string, string> } = {},
): { child: ChildProcess; finished: Promise<{ code: number | null; stdout: string; stderr: string }> } {
  const module = pathToFileURL(resolve("toolkit/server/resource.ts")).href;
  const script = `const [method, args] = JSON.parse(process.argv[1]);
    console.error(JSON.stringify((await (await import(${JSON.stringify(module)}))[method](...args)) ?? null));`;
  const command = ["--input-type=module", "--eval", script, JSON.stringify([method, args])];
  const child = spawn(process.execPath, command, {
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
    env: { PATH: process.env.PATH, ...options.env },
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  const finished = new Promise<{ code: number | null; stdout: string; stderr: string }>((done) => {
    child.on("close", (code) => done({ code, ...output }));
  });
  return { child, finished };
}
