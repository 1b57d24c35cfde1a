import { readFileSync, statSync } from "node:fs";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { withClient } from "../../../toolkit/connection.ts";
import { findBinaries } from "../../../toolkit/server/binaries.ts";
import { stopServer } from "../../../toolkit/server/control.ts";
import type { ServerInputs, ServerOutputs } from "../../../toolkit/server/properties.ts";
import { check, create, diff, read, update } from "../../../toolkit/server/resource.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { freePort } from "../../support/server.ts";
import { ask, killServer, makeStack, printed, type Stack, startTime } from "./stack.ts";

/** One server through its life: each test takes it from where the one before left it. */
let stack: Stack;
let id: string;
let state: ServerOutputs;

beforeAll(async () => {
  stack = await makeStack();
});
afterAll(() => stack.remove());

const asked = (changes: Partial<ServerInputs> = {}): ServerInputs => ({ ...inputsOf(state), ...changes });

function inputsOf({ directory, port, version, database, settings, finalBackup }: ServerInputs): ServerInputs {
  return { directory, port, version, database, settings, finalBackup };
}

/** What preview says; then up; then that nothing is left to do. */
async function apply(news: ServerInputs): Promise<{ preview: string; up: string }> {
  const preview = await printed(() => diff(id, state, news));
  expect(preview.result).toEqual({ changes: true });
  const up = await printed(() => update(id, state, news));
  state = up.result.outs;
  expect((await printed(() => diff(id, state, news))).result).toEqual({ changes: false });
  return { preview: preview.text, up: up.text };
}

test("create makes a server that lets in who knows the password, on the loopback only", async () => {
  expect(await check({}, stack.inputs)).toEqual({ inputs: stack.inputs, failures: [] });
  const { result, text } = await printed(() => create(stack.inputs));
  [id, state] = [result.id, result.outs];
  expect(id).toMatch(/^\d{15,20}-[0-9a-f]{8}$/);
  expect(state.password.length).toBeGreaterThanOrEqual(24);
  expect(state).toEqual({
    ...stack.inputs,
    password: state.password,
    connection: {
      host: "127.0.0.1",
      port: stack.inputs.port,
      database: "investment",
      user: "postgres",
      password: state.password,
    },
    serverVersion: (await findBinaries()).version,
    systemIdentifier: id.split("-")[0],
    dataDirectory: stack.data,
  });
  expect(text).not.toContain(state.password);
  const facts = await ask(
    state.connection,
    `select current_setting('listen_addresses') as addresses, current_setting('data_checksums') as checksums,
            current_setting('unix_socket_directories') as sockets, current_setting('work_mem') as work_mem,
            (select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'postgres') as scram`,
  );
  expect(facts).toEqual({ addresses: "127.0.0.1", checksums: "on", sockets: "", work_mem: "4MB", scram: true });
  await expect(ask({ ...state.connection, password: "guessed" }, "select 1")).rejects.toThrow(
    "the password is not accepted",
  );
  expect(statSync(stack.data).mode & 0o777).toBe(0o700);
  await withClient(state.connection, {}, (client) => client.query("create table kept as select 42 as answer"));
});

test("no change is found where nothing has changed", async () => {
  expect(await printed(() => diff(id, state, asked()))).toEqual({ result: { changes: false }, text: "" });
  expect(await check(inputsOf(state), asked())).toEqual({ inputs: asked(), failures: [] });
  expect(await read(id, state)).toEqual({ id, props: state });
});

test("what only matters at the birth of a server is no change; what matters at its end is kept for then", async () => {
  const { result } = await printed(() => diff(id, state, asked({ restoreFrom: "somewhere" })));
  expect(result).toEqual({ changes: false });
  const { preview, up } = await apply(asked({ finalBackup: true }));
  expect({ preview, up }).toEqual({ preview: "a final backup when the server is destroyed: false -> true", up: "" });
  expect(state.finalBackup).toBe(true);
  await apply(asked({ finalBackup: false }));
});

test("a setting that a reload takes does not restart the server", async () => {
  const before = await startTime(state.connection);
  const { preview, up } = await apply(asked({ settings: { ...state.settings, work_mem: "8MB", jit: "off" } }));
  expect(preview).toBe("jit: (default) -> off\nwork_mem: 4MB -> 8MB");
  expect(up).toBe("reloading the server's settings");
  expect(await startTime(state.connection)).toBe(before);
  expect(await ask(state.connection, "show work_mem")).toEqual({ work_mem: "8MB" });
});

test("a setting that the server only takes at its start restarts it", async () => {
  const before = await startTime(state.connection);
  const { preview, up } = await apply(asked({ settings: { ...state.settings, max_connections: "30" } }));
  expect(preview).toBe("max_connections: 20 -> 30");
  expect(up).toContain("restarting the server: only then it takes max_connections");
  expect(await startTime(state.connection)).not.toBe(before);
  expect(await ask(state.connection, "show max_connections")).toEqual({ max_connections: "30" });
});

test("a setting that is taken away goes back to its default", async () => {
  const { jit: _, ...settings } = state.settings;
  const { preview } = await apply(asked({ settings }));
  expect(preview).toBe("jit: off -> (default)");
  expect(await ask(state.connection, "show jit")).toEqual({ jit: "on" });
});

test("a server that was killed is noticed and started again, with every row", async () => {
  await killServer(stack.data);
  const { preview } = await apply(asked());
  expect(preview).toBe("the server is not running: up will start it");
  expect(await ask(state.connection, "select answer from kept")).toEqual({ answer: 42 });
});

test("a pid file from before a reboot, whose number is another program's now, does not count", async () => {
  const user = await serverUser(stack.data);
  const cluster = {
    data: stack.data,
    log: join(stack.data, "../postgresql.log"),
    binaries: await findBinaries(user),
    user,
  };
  const file = join(stack.data, "postmaster.pid");
  const lines = (await readFile(file, "utf8")).split("\n");
  await stopServer(cluster);
  await writeFile(file, [String(process.pid), ...lines.slice(1)].join("\n"));
  const { preview } = await apply(asked());
  expect(preview).toBe("the server is not running: up will start it");
});

test("another port restarts the server there, and its connection follows", async () => {
  const [old, port] = [state.port, await freePort()];
  const { preview } = await apply(asked({ port }));
  expect(preview).toBe(`port: ${old} -> ${port}`);
  expect(state.connection.port).toBe(port);
  await expect(ask({ ...state.connection, port: old }, "select 1")).rejects.toThrow("no PostgreSQL answers");
});

test("another database is created, and the old one stays", async () => {
  const { preview } = await apply(asked({ database: "second" }));
  expect(preview).toBe("the database second is missing: up will create it\ndatabase: investment -> second");
  expect(state.connection.database).toBe("second");
  expect(await ask({ ...state.connection, database: "investment" }, "select answer from kept")).toEqual({ answer: 42 });
});

test("what ALTER SYSTEM sets against the stack is found and taken back", async () => {
  await withClient(state.connection, {}, async (client) => {
    await client.query("alter system set work_mem = '1MB'");
    await client.query("alter system set max_connections = '25'");
    await client.query("alter system set work_mem = '1MB'");
    await client.query("select pg_reload_conf()");
  });
  const { preview, up } = await apply(asked());
  expect(preview).toContain("work_mem is set by ALTER SYSTEM: up will take that back");
  expect(up).toContain("taking back ALTER SYSTEM SET max_connections: the stack sets it");
  expect(await ask(state.connection, "select current_setting('work_mem') as memory")).toEqual({ memory: "8MB" });
});

test("a settings file that was edited by hand is written again", async () => {
  await appendFile(join(stack.data, "stack.conf"), "work_mem = '1MB'\n");
  await withClient(state.connection, {}, (client) => client.query("select pg_reload_conf()"));
  const { preview } = await apply(asked());
  expect(preview).toBe("the server does not have the stack's settings: up will write and load them");
  expect(readFileSync(join(stack.data, "stack.conf"), "utf8")).not.toContain("1MB");
  expect(await ask(state.connection, "select current_setting('work_mem') as memory")).toEqual({ memory: "8MB" });
});

test("settings with which the server does not start are put back, and it runs as before", async () => {
  const settings = { ...state.settings, superuser_reserved_connections: "30" };
  const failure = await printed(() => update(id, state, asked({ settings })).catch((error: Error) => error.message));
  expect(failure.result).toMatch(
    /^the server does not take the new settings\n {2}why: the server does not start\n.*superuser_reserved_connections/,
  );
  expect(failure.result).toMatch(
    /fix: Correct them, then run `up` again\. Until then the server runs with the settings that it had\.$/,
  );
  expect((await printed(() => diff(id, state, asked()))).result).toEqual({ changes: false });
  expect(await ask(state.connection, "show superuser_reserved_connections")).toEqual({
    superuser_reserved_connections: "3",
  });
});

test("a password that was changed by hand is set again to the stack's", async () => {
  await withClient(state.connection, {}, (client) => client.query("alter role postgres password 'by-hand'"));
  const { preview } = await apply(asked());
  expect(preview).toContain("the server does not let us in");
  expect(await ask(state.connection, "select 1 as one")).toEqual({ one: 1 });
});

test("a state that names another port than the server's is a change", async () => {
  const wrong = { ...state, connection: { ...state.connection, port: 1 } };
  const { result, text } = await printed(() => diff(id, wrong, asked()));
  expect(result).toEqual({ changes: true });
  expect(text).toBe("the connection in the state is not the server's: up will correct it");
  expect((await read(id, wrong)).props?.connection).toEqual(state.connection);
});

test("a data folder that is there is adopted by create, with every row", async () => {
  await killServer(stack.data);
  const { result, text } = await printed(() => create(asked({ database: "investment" })));
  expect(text).toContain(`adopting the data folder ${stack.data}, which is there already`);
  expect(result.outs.systemIdentifier).toBe(state.systemIdentifier);
  expect(result.outs.password).not.toBe(state.password);
  [id, state] = [result.id, result.outs];
  expect(await ask(state.connection, "select answer from kept")).toEqual({ answer: 42 });
});

test("refresh finds a stopped server, and none without its data folder", async () => {
  await killServer(stack.data);
  const stopped = await printed(() => read(id, state));
  expect(stopped.result).toEqual({ id, props: state });
  expect(stopped.text).toBe("the server is not running: up will start it");
  await rm(stack.data, { recursive: true, force: true });
  expect((await printed(() => read(id, state))).result).toEqual({});
  const preview = await printed(() => diff(id, state, asked()));
  expect(preview.result).toEqual({ changes: true, replaces: ["directory"], deleteBeforeReplace: false });
  expect(preview.text).toBe(`the data folder ${stack.data} is gone: up will make a new, empty one`);
});
