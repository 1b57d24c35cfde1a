import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Connection } from "../../../toolkit/connection.ts";
import { findBinaries } from "../../../toolkit/server/binaries.ts";
import { serverStatus, stopServer } from "../../../toolkit/server/control.ts";
import type { LocalReplica, ServerInputs, ServerOutputs } from "../../../toolkit/server/properties.ts";
import { check, create, diff, update } from "../../../toolkit/server/resource.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { freePort } from "../../support/server.ts";
import { ask, killServer, makeStack, printed, type Stack, startTime, until } from "./stack.ts";

/** One server with a replica through their life: each test takes them from where the one before left them. */
let stack: Stack;
let id: string;
let state: ServerOutputs;
let reader: LocalReplica;
let replica: Connection;
let data: string;
let secret: string;

beforeAll(async () => {
  stack = await makeStack();
  const endpoint = `127.0.0.1:${await freePort()}`;
  reader = { name: "reader", endpoint, region: "local", weight: 1, promotionTier: 1 };
  stack.inputs.replicas = [reader];
  data = join(stack.inputs.directory, "replicas/reader/data");
});
afterAll(() => stack.remove());

/** What preview says; then up; then that nothing is left to do. */
async function apply(changes: Partial<ServerInputs> = {}): Promise<{ preview: string; up: string }> {
  Object.assign(stack.inputs, changes);
  const preview = await printed(() => diff(id, state, stack.inputs));
  expect(preview.result).toEqual({ changes: true });
  expect(await check(stack.inputs, stack.inputs)).toMatchObject({ failures: [] });
  const up = await printed(() => update(id, state, stack.inputs));
  state = up.result.outs;
  expect(await printed(() => diff(id, state, stack.inputs))).toEqual({ result: { changes: false }, text: "" });
  return { preview: preview.text, up: up.text };
}

const streams = () =>
  ask(state.connection, "select application_name as name, state from pg_stat_replication").catch(() => undefined);

/** Writes to the primary, and waits until the replica says it too. */
async function follows(value: number): Promise<void> {
  await ask(state.connection, `update followed set value = ${value}`);
  await until(async () => (await ask<{ value: number }>(replica, "select value from followed")).value === value);
}

async function stop(): Promise<void> {
  const user = await serverUser(data);
  await stopServer({ data, log: join(data, "../postgresql.log"), binaries: await findBinaries(user), user });
}

test("create makes a server with a streaming replica, whose password is in one private file only", async () => {
  const { result, text } = await printed(() => create(stack.inputs));
  [id, state] = [result.id, result.outs];
  expect(state.replicas).toEqual([reader]);
  expect((await printed(() => diff(id, state, stack.inputs))).result).toEqual({ changes: false });
  replica = { ...state.connection, port: Number(reader.endpoint.split(":")[1]) };
  await ask(state.connection, "create table followed as select 1 as value");
  await until(
    async () => (await ask<{ there: boolean }>(replica, "select to_regclass('followed') is not null as there")).there,
  );
  await follows(2);
  expect(await streams()).toEqual({ name: "reader", state: "streaming" });
  await expect(ask(replica, "update followed set value = 3")).rejects.toThrow("read-only transaction");

  const file = join(data, "replica.pgpass");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  secret = (await readFile(file, "utf8")).trim().split(":").at(-1)!;
  const { conninfo } = await ask<{ conninfo: string }>(
    replica,
    "select current_setting('primary_conninfo') as conninfo",
  );
  const { pid } = (await serverStatus(data))!;
  const told = [text, JSON.stringify(state), conninfo, await readFile(join(data, "../postgresql.log"), "utf8")];
  if (process.platform === "linux") told.push(await readFile(`/proc/${pid}/cmdline`, "utf8"));
  for (const each of told) expect(each).not.toContain(secret);
});

test("what lets the replica in lets nobody read", async () => {
  const login = { ...state.connection, user: "stack_replica_reader", password: secret };
  await expect(ask(login, "select value from followed")).rejects.toThrow("permission denied for table followed");
});

test("a replica that was killed is started, and goes on", async () => {
  await killServer(data);
  const { preview, up } = await apply();
  expect(preview).toBe("the replica reader is not running: up will start it");
  expect(up).toBe(`starting the replica reader on port ${replica.port}`);
  await follows(3);
});

test("a changed setting reaches the replica, which is restarted for it after the primary", async () => {
  const before = await startTime(replica);
  const settings = { ...stack.inputs.settings, max_connections: "15" };
  const { preview } = await apply({ settings });
  expect(preview).toContain("the replica reader does not have the stack's settings: up will write them and restart it");
  expect(await startTime(replica)).not.toBe(before);
  expect(await ask(replica, "select current_setting('max_connections') as most")).toEqual({ most: "15" });
  await follows(4);
});

test("a replica that fell off the primary's log is made again", async () => {
  await apply({ settings: { ...stack.inputs.settings, max_slot_wal_keep_size: "32MB" } });
  await stop();
  for (let segment = 0; segment < 5; segment++)
    await ask(state.connection, "select pg_switch_wal() from pg_create_restore_point('next')");
  await ask(state.connection, "checkpoint");
  const { preview } = await apply();
  const reason = "fell so far behind that the primary has removed the log that it needs";
  expect(preview).toBe(`the replica reader ${reason}: up will make it`);
  await follows(5);
});

test("a replica that was promoted is made again, and the preview says what that costs", async () => {
  await ask(replica, "select pg_promote()");
  await ask(replica, "update followed set value = 99");
  const { preview } = await apply();
  expect(preview).toBe(
    "the replica reader was promoted, and what was written to it since will be lost: up will make it",
  );
  await follows(6);
});

test("a replica that is not asked for any more goes, with its slot and its role", async () => {
  const { preview, up } = await apply({ replicas: [] });
  expect(preview).toBe("the replica reader is not asked for any more: up will remove it");
  expect(up).toBe("removing the replica reader");
  expect(existsSync(join(stack.inputs.directory, "replicas"))).toBe(false);
  expect(
    await ask(
      state.connection,
      `select (select count(*)::int from pg_replication_slots) as slots,
              (select count(*)::int from pg_roles where rolname like 'stack%') as roles`,
    ),
  ).toEqual({ slots: 0, roles: 0 });
});

test("destroy removes the replicas with their server", async () => {
  await apply({ replicas: [reader] });
  await stack.remove();
  expect(existsSync(stack.folder)).toBe(false);
  await expect(ask(replica, "select")).rejects.toThrow("no PostgreSQL answers");
});
