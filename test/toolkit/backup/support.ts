import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll } from "@jest/globals";
import { type Connection, withClient } from "../../../toolkit/connection.ts";
import { create } from "../../../toolkit/server/resource.ts";
import { makeStack, printed, type Stack } from "../server/stack.ts";

const clearings: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const clear of clearings.reverse()) await clear();
});

/** A server of a test file's own: a physical backup of the run's server would hold every other test's databases. */
export async function makeServer(inputs: { restoreFrom?: string } = {}): Promise<{
  stack: Stack;
  connection: Connection;
  target: { kind: "auto"; directory: string };
}> {
  const stack = await makeStack();
  clearings.push(() => stack.remove());
  const { outs } = (await printed(() => create({ ...stack.inputs, ...inputs }))).result;
  const directory = join(stack.inputs.directory, "backups");
  return { stack, connection: outs.connection, target: { kind: "auto", directory } };
}

/** A folder that goes with the test file. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "backups-"));
  clearings.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Does something once, when the test file ends. */
export function afterwards(work: () => Promise<void>): void {
  clearings.push(work);
}

/** Statements in a session of their own. */
export async function execute(connection: Connection, sql: string): Promise<void> {
  await withClient(connection, {}, (client) => client.query(sql));
}

/** The lines that a function says, and the function. */
export function listener(): { lines: string[]; say: (line: string) => void } {
  const lines: string[] = [];
  return { lines, say: (line) => void lines.push(line) };
}

/** Makes a backup in a process of its own, which a test may kill. */
export function createInChild(connection: Connection, target: unknown, env: NodeJS.ProcessEnv = process.env) {
  return inChild(
    `const { createBackup } = await import(${moduleUrl("toolkit/backup/backups.ts")});
     const [connection, target] = JSON.parse(process.env.ARGUMENTS);
     await createBackup(connection, target, { reason: "test", say: () => {} });`,
    [connection, target],
    env,
  );
}

/** Verifies a backup in a process of its own, which a test may kill. */
export function verifyInChild(target: unknown, id: string) {
  return inChild(
    `const { verifyBackup } = await import(${moduleUrl("toolkit/backup/backups.ts")});
     const [target, id] = JSON.parse(process.env.ARGUMENTS);
     await verifyBackup(target, id, { say: () => {} });`,
    [target, id],
    process.env,
  );
}

/** Inserts a row after the other, each into `written` and `twin` at once, with checkpoints in between, until it is killed. */
export function writeInChild(connection: Connection) {
  return inChild(
    `const { connect } = await import(${moduleUrl("toolkit/connection.ts")});
     const client = await connect(JSON.parse(process.env.ARGUMENTS)[0]);
     for (let number = 1; ; number++) {
       await client.query(
         "with row as (insert into written (filler) values (repeat('x', 500)) returning id) insert into twin select id from row");
       // So that a copy that starts to recover too late lacks rows of one of them.
       if (number % 5 === 0) await client.query("checkpoint");
     }`,
    [connection],
    process.env,
  );
}

const moduleUrl = (path: string) => JSON.stringify(pathToFileURL(resolve(path)).href);

function inChild(script: string, args: unknown[], env: NodeJS.ProcessEnv) {
  const child: ChildProcess = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...env, ARGUMENTS: JSON.stringify(args) },
  });
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const finished = new Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }>((done) =>
    child.on("close", (code, signal) => done({ code, signal, stderr })),
  );
  return { child, finished };
}

/** The message with which something fails. */
export async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: Error) => error.message,
  );
}
