import { existsSync, readdirSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import type { CreateResult } from "../../../toolkit/provider.ts";
import type { ServerOutputs } from "../../../toolkit/server/properties.ts";
import { check, create, diff } from "../../../toolkit/server/resource.ts";
import { ask, inChild, killServer, makeStack, printed, type Stack, until } from "./stack.ts";

const stacks: Stack[] = [];
afterAll(async () => {
  for (const stack of stacks) await stack.remove();
});

async function newStack(): Promise<Stack> {
  const stack = await makeStack();
  stacks.push(stack);
  return stack;
}

const has = (stack: Stack, name: string) => existsSync(join(stack.data, name));
const hasPartial = (stack: Stack) =>
  existsSync(stack.inputs.directory) && readdirSync(stack.inputs.directory).some((name) => /partial/.test(name));

/** The moments of a create, by what it has made so far. */
const moments: Record<string, (stack: Stack) => boolean> = {
  "while initdb works": hasPartial,
  "as soon as the data folder is there": (stack) => has(stack, "PG_VERSION"),
  "once its settings are written": (stack) => has(stack, "stack.conf"),
  "while the server starts": (stack) => has(stack, "postmaster.pid"),
};

test.each(Object.entries(moments))("a create that is killed %s is finished by the next one", async (_, reached) => {
  const stack = await newStack();
  const { child, finished } = inChild("create", [stack.inputs]);
  await until(() => reached(stack));
  child.kill("SIGKILL");
  await finished;
  expect((await printed(() => check({}, stack.inputs))).result.failures).toEqual([]);
  const { id, outs } = (await printed(() => create(stack.inputs))).result;
  expect((await printed(() => diff(id, outs, stack.inputs))).result).toEqual({ changes: false });
  expect(await ask(outs.connection, "select current_database() as name")).toEqual({ name: "investment" });
  expect((await readdir(stack.inputs.directory)).sort()).toEqual(["data", "postgresql.log"]);
});

test("a create and its server that are killed together are finished by the next create", async () => {
  const stack = await newStack();
  const { child, finished } = inChild("create", [stack.inputs]);
  await until(() => has(stack, "postmaster.pid"));
  child.kill("SIGKILL");
  await killServer(stack.data);
  await finished;
  const { id, outs } = (await printed(() => create(stack.inputs))).result;
  expect((await printed(() => diff(id, outs, stack.inputs))).result).toEqual({ changes: false });
});

test("two creates at the same time take turns, and both end with one server", async () => {
  const stack = await newStack();
  const both = await Promise.all([1, 2].map(() => inChild("create", [stack.inputs]).finished));
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  const [one, other] = both.map(({ stderr }) => JSON.parse(stderr) as CreateResult<ServerOutputs>);
  expect(one!.outs.systemIdentifier).toBe(other!.outs.systemIdentifier);
  expect(both.filter(({ stdout }) => stdout.includes("adopting the data folder"))).toHaveLength(1);
});

test("a server whose data folder was deleted under it does not keep its port from the next one", async () => {
  if (process.platform !== "linux") return;
  const stack = await newStack();
  await printed(() => create(stack.inputs));
  await rm(stack.inputs.directory, { recursive: true });
  expect(await check({}, stack.inputs)).toEqual({ inputs: stack.inputs, failures: [] });
  const { result, text } = await printed(() => create(stack.inputs));
  expect(text).toContain("ending a server whose data folder was deleted while it ran");
  expect((await printed(() => diff(result.id, result.outs, stack.inputs))).result).toEqual({ changes: false });
});

test("a project that is moved while its server runs keeps it", async () => {
  const stack = await newStack();
  const { id, outs } = (await printed(() => create(stack.inputs))).result;
  const moved = { ...stack.inputs, directory: join(stack.folder, "moved/test") };
  await mkdir(join(stack.folder, "moved"));
  await rename(stack.inputs.directory, moved.directory);
  stacks.push({ ...stack, inputs: moved, data: join(moved.directory, "data"), remove: () => removeMoved() });
  const removeMoved = async () => {
    await rename(moved.directory, stack.inputs.directory);
    await stack.remove();
  };
  const { result, text } = await printed(() => diff(id, outs, moved));
  expect(result).toEqual({ changes: true });
  expect(text).toBe(`data folder: ${stack.data} -> ${join(moved.directory, "data")}`);
  stacks.splice(stacks.indexOf(stack), 1);
});
