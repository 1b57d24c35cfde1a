import { existsSync, statSync } from "node:fs";
import { chmod, chown } from "node:fs/promises";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { CreateResult } from "../../../toolkit/provider.ts";
import type { ServerOutputs } from "../../../toolkit/server/properties.ts";
import { canUse, isRoot } from "../../../toolkit/server/systemUser.ts";
import { ask, inChild, makeStack, type Stack } from "./stack.ts";

// A user that owns nothing: `nobody` of most systems.
const nobody = { uid: 65_534, gid: 65_534 };

let stack: Stack;
beforeAll(async () => {
  stack = await makeStack();
  if (isRoot()) await chown(stack.folder, nobody.uid, nobody.gid);
  await chmod(stack.folder, 0o700);
});
afterAll(() => stack.remove());

/**
 * As root the other tests show a server that runs as another user; this one shows a plain user's. It needs a project
 * that such a user may read; where only root may, no plain user would run it either.
 */
test("a plain user's server runs as that user, and create, restart and destroy need no root", async () => {
  const readable = ["package.json", "node_modules/pg/package.json"].every((file) => canUse(resolve(file), nobody));
  if (isRoot() && !readable) {
    console.warn(`not tested: a plain user cannot read ${process.cwd()}`);
    return;
  }
  const options = { cwd: stack.folder, ...(isRoot() ? nobody : {}) };
  const inputs = { ...stack.inputs, directory: "test" };
  const created = await inChild("create", [inputs], options).finished;
  expect(created).toMatchObject({ code: 0 });
  const { id, outs } = JSON.parse(created.stderr) as CreateResult<ServerOutputs>;
  if (isRoot()) expect(statSync(stack.data).uid).toBe(nobody.uid);
  expect(await ask(outs.connection, "select 1 as one")).toEqual({ one: 1 });

  const news = { ...inputs, settings: { ...inputs.settings, max_connections: "30" } };
  const updated = await inChild("update", [id, outs, news], options).finished;
  expect(updated).toMatchObject({ code: 0 });
  expect(await ask(outs.connection, "show max_connections")).toEqual({ max_connections: "30" });

  const removed = await inChild("delete_", [id, { ...outs, finalBackup: true }], options).finished;
  expect(removed).toMatchObject({ code: 0 });
  const [backup = ""] = /test\/backups\/final-\S+/.exec(removed.stdout) ?? [];
  expect(backup).not.toBe("");
  const restored = await inChild("create", [{ ...inputs, restoreFrom: backup }], options).finished;
  expect(restored).toMatchObject({ code: 0 });
  const again = JSON.parse(restored.stderr) as CreateResult<ServerOutputs>;
  expect((await inChild("delete_", [again.id, again.outs], options).finished).code).toBe(0);
  expect(existsSync(stack.data)).toBe(false);
});
