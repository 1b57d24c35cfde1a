import { cp, mkdtemp, readdir, readlink, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { exists } from "../../../toolkit/server/files.ts";
import type { ServerInputs, ServerOutputs } from "../../../toolkit/server/properties.ts";
import { check, create, delete_, diff } from "../../../toolkit/server/resource.ts";
import { isRoot } from "../../../toolkit/server/systemUser.ts";
import { freePort } from "../../support/server.ts";
import { ask, printed } from "./stack.ts";

/*
 * For root the project may be where the server's user cannot enter, as in a folder of `mktemp -d`: the data is then
 * elsewhere, with links to it. A plain user has no such case.
 */
const asRoot = isRoot() ? test : test.skip;

let folder: string;
let inputs: ServerInputs;
let made: { id: string; outs: ServerOutputs };
let home: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "closed-"));
  const settings = { shared_buffers: "16MB", fsync: "off" };
  const directory = join(folder, "test");
  inputs = { directory, port: await freePort(), version: "17", database: "investment", settings, finalBackup: false };
});
afterAll(async () => {
  // Nothing is left to remove unless a test failed.
  if (made) await printed(() => delete_(made.id, made.outs));
  await rm(folder, { recursive: true, force: true });
});

asRoot("a server in a folder that only root enters has its data elsewhere, with links to it", async () => {
  made = (await printed(() => create(inputs))).result;
  home = dirname(await readlink(join(inputs.directory, "data")));
  expect(made.outs.dataDirectory).toBe(join(home, "data"));
  expect(await ask(made.outs.connection, "select 1 as one")).toEqual({ one: 1 });
  expect((await printed(() => diff(made.id, made.outs, inputs))).result).toEqual({ changes: false });
});

asRoot("a copy of the project does not touch the first one's server", async () => {
  const copied = { ...inputs, directory: join(folder, "copied") };
  await cp(inputs.directory, copied.directory, { recursive: true, verbatimSymlinks: true });
  const owner = `the server's files in ${home} belong to the project in ${inputs.directory}`;
  const [failure] = (await check({}, copied)).failures!;
  expect(failure!.reason.split("\n")[0]).toBe(owner);
  await expect(create(copied)).rejects.toThrow(owner);
  await expect(delete_(made.id, { ...made.outs, directory: copied.directory })).rejects.toThrow(owner);
  expect(await ask(made.outs.connection, "select 1 as one")).toEqual({ one: 1 });
  await rm(copied.directory, { recursive: true });
});

asRoot("a project whose folder was deleted and made again finds its data", async () => {
  await rename(inputs.directory, `${inputs.directory}.gone`);
  const { result, text } = await printed(() => create(inputs));
  expect(result.outs.systemIdentifier).toBe(made.outs.systemIdentifier);
  expect(text).toContain(`adopting the data folder ${home}/data`);
  made = result;
});

asRoot("another project with the same folder as a moved one gets data of its own", async () => {
  const moved = { ...inputs, directory: join(folder, "moved") };
  await rename(inputs.directory, moved.directory);
  made = (await printed(() => create(moved))).result;
  expect(made.outs.dataDirectory).toBe(`${home}/data`);
  const other = (await printed(async () => create({ ...inputs, port: await freePort() }))).result;
  expect(other.outs.systemIdentifier).not.toBe(made.outs.systemIdentifier);
  expect(other.outs.dataDirectory).toBe(`${home}-2/data`);
  await printed(() => delete_(other.id, other.outs));
  expect(await ask(made.outs.connection, "select 1 as one")).toEqual({ one: 1 });
});

asRoot("destroy removes the data, the links and the folder elsewhere; the backup stays with the project", async () => {
  const { text } = await printed(() => delete_(made.id, { ...made.outs, finalBackup: true }));
  expect(text).toContain(`final backup: ${join(folder, "moved/backups/final-")}`);
  expect(await exists(home)).toBe(false);
  expect(await readdir(join(folder, "moved"))).toEqual(["backups"]);
});
