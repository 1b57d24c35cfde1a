import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { copyDemo, type Demo, makeDemo } from "./demo.ts";

let demo: Demo;
beforeEach(async () => {
  demo = await makeDemo();
});
afterEach(() => demo.remove());

/** The lines that the provider and the engine printed on what was done, in order. */
const done = (stderr: string) =>
  stderr.split("\n").flatMap((line) => /^ {4}((?:making|changing|deleting) \S.*)$/.exec(line)?.[1] ?? []);

async function succeeds(...args: string[]): Promise<string> {
  const { code, stderr } = await demo.run(...args, "--stand-in");
  expect({ code, stderr }).toEqual({ code: 0, stderr });
  return stderr;
}

async function fails(...args: string[]): Promise<string> {
  const { code, stderr } = await demo.run(...args, "--stand-in");
  expect({ code, stderr }).toEqual({ code: 1, stderr });
  return stderr;
}

let made: Promise<Demo> | undefined;
afterAll(async () => (await made)?.remove());

/** Goes on from a first `up`, which is made once for all tests that begin with one: each gets a copy of what it left. */
async function afterFirstUp(): Promise<void> {
  made ??= makeDemo().then(async (first) => {
    const { code, stderr } = await first.run("up", "--stand-in");
    expect({ code, stderr }).toEqual({ code: 0, stderr });
    return first;
  });
  await demo.remove();
  demo = await copyDemo(await made);
}

test("preview, up, and up again: planned, made, unchanged", async () => {
  const preview = await succeeds("preview", "--diff");
  expect(preview.split("\n")[0]).toMatch(/^stand-in engine: .*; cloud resources it only previews\.$/);
  expect(preview).toMatch(/\+ {2}Thing second to create\n.*\n {6}\+ kind: plain\n {6}\+ size: \[unknown\]/);
  expect(preview).toMatch(/Outputs:\n {4}doubled: \[unknown\]/);
  expect(preview).toMatch(/\+ 5 to create/);
  await expect(demo.stateText()).rejects.toThrow("ENOENT");

  const up = await succeeds("up");
  expect(done(up).toSorted()).toEqual(["making plain 1", "making plain 2", "making plain 5"]);
  expect(up).toMatch(/Outputs:\n {4}doubled: 2\n {4}key: \[secret\]\n {4}sizes:\n {6}- 1\n {6}- 1\n/);
  expect(up).toMatch(/\+ 5 created\n/);

  const before = await demo.stateText();
  expect(await succeeds("up")).toMatch(/Resources:\n {4}5 unchanged: nothing to do\n/);
  expect(JSON.parse(await demo.stateText()).deployment.resources).toEqual(JSON.parse(before).deployment.resources);
  await succeeds("preview", "--expect-no-changes");
});

test("a change is an update, and reaches what depends on it", async () => {
  await afterFirstUp();
  expect(await fails("preview", "--expect-no-changes", "-c", "size=4")).toMatch(/~ 2 to update\n {4}3 unchanged/);
  expect(done(await succeeds("up"))).toEqual(["changing plain-1 from 1 to 4", "changing plain-2 from 2 to 8"]);
  expect((await demo.resources()).get("second")!.outputs!.doubled).toBe(16);
});

test("-c is saved in the stack's file, whose comments stay", async () => {
  await succeeds("preview", "-c", "size=4");
  expect(readFileSync(join(demo.folder, "Pulumi.local.yaml"), "utf8")).toBe(
    '# A comment that stays.\nconfig:\n  demo:kind: plain\n  demo:size: "4"\n',
  );
});

test("a replacement is made before the old one is deleted, unless the provider says otherwise", async () => {
  await succeeds("up", "-c", "alone=true");
  expect(done(await succeeds("up", "-c", "kind=better"))).toEqual(["making better 1", "deleting plain-1"]);
  expect(done(await succeeds("up", "-c", "kind=single"))).toEqual(["deleting better-1", "making single 1"]);
  expect((await demo.resources()).get("first")!.id).toBe("single-1");
});

test("what the program no longer asks for is deleted, dependants first", async () => {
  await afterFirstUp();
  const up = await succeeds("up", "-c", "alone=true");
  expect(done(up).toSorted()).toEqual(["deleting plain-2", "deleting plain-5"]);
  expect(up).toMatch(/- 3 deleted\n {4}2 unchanged/);
  expect([...(await demo.resources()).keys()].toSorted()).toEqual(["default", "demo-local", "first"]);
});

test("protect keeps a resource, and nothing at all is deleted", async () => {
  await afterFirstUp();
  // Nothing to do but to write it down.
  expect(await succeeds("up", "-c", "protect=true")).toMatch(/5 unchanged: nothing to do/);
  for (const args of [
    ["up", "-c", "alone=true"],
    ["destroy", "--yes"],
  ]) {
    const stderr = await fails(...args);
    expect(stderr).toMatch(/second \(.*Thing\) is protected and would be deleted: remove `protect`/);
    expect(done(stderr)).toEqual([]);
  }
  expect((await demo.resources()).size).toBe(6);
});

test("retainOnDelete forgets a resource and leaves it as it is", async () => {
  await succeeds("up", "-c", "retain=true");
  const stderr = await succeeds("destroy", "--yes");
  expect(stderr).toMatch(/second forgotten, and left as it is/);
  expect(done(stderr).toSorted()).toEqual(["deleting plain-1", "deleting plain-5"]);
  expect((await demo.resources()).size).toBe(0);
});

test("a failed check stops everything before anything is touched", async () => {
  const stderr = await fails("up", "-c", "size=13");
  expect(stderr).toMatch(/error: first \(Thing\): size: 13 is unlucky\n\nNothing was touched\./);
  expect(done(stderr)).toEqual([]);
});

test("a program that fails is an error of its own words, once", async () => {
  const stderr = await fails("up", "-c", "broken=true");
  expect(stderr.match(/the configuration is wrong/g)).toHaveLength(1);
  expect(stderr).not.toMatch(/^\s+at /m);
});

test("a step that fails keeps what was made, without a stack trace; the next up goes on", async () => {
  const stderr = await fails("up", "-c", "size=67");
  expect(stderr).toMatch(/error: first \(Thing\): 67 cannot be made\n {2}fix: choose another size\n/);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect((await demo.resources()).has("inner")).toBe(true);
  expect((await demo.resources()).has("first")).toBe(false);
  expect(done(await succeeds("up", "-c", "size=2"))).toEqual(["making plain 2", "making plain 4"]);
});

test("a resource that was half made is kept as such, and updated by the next up", async () => {
  const stderr = await fails("up", "-c", "size=66", "-c", "alone=true");
  expect(stderr).toMatch(/half made/);
  expect(stderr).toMatch(/Resources:\n {4}\+ 1 created\n {4}x 1 failed\n/);
  expect((await demo.resources()).get("first")).toMatchObject({ id: "half", initErrors: ["66 is too much"] });
  expect(done(await succeeds("up"))).toEqual(["changing half from 66 to 66"]);
  expect((await demo.resources()).get("first")!.initErrors).toBeUndefined();
});

test("no secret stands in the state, in the output or in JSON; the state is private", async () => {
  const up = await demo.run("up", "--diff", "--json", "--stand-in");
  const shown = await demo.run("output");
  for (const text of [await demo.stateText(), up.stdout, up.stderr, shown.stdout])
    expect(text).not.toMatch(/s3cr3t-token|k3y-of-thing/);
  expect(statSync(join(demo.folder, ".local/local/state.json")).mode & 0o777).toBe(0o600);
  expect((await demo.run("output", "key", "--show-secrets")).stdout).toBe("k3y-of-thing\n");
  expect((await demo.run("output", "nothing")).stderr).toBe(
    "error: stack local has no output nothing\n  fix: Use one of doubled, key, sizes.\n",
  );
});

test("--json is a document on stdout, and the talk stays on stderr", async () => {
  const { stdout } = await demo.run("preview", "--json", "--stand-in", "-c", "alone=true");
  expect(JSON.parse(stdout)).toEqual({
    engine: "stand-in",
    steps: [
      { op: "create", urn: "urn:pulumi:local::demo::pulumi:pulumi:Stack::demo-local" },
      {
        op: "create",
        urn: "urn:pulumi:local::demo::pulumi-nodejs:dynamic:Thing::first",
        diff: [
          { path: "kind", kind: "add", after: "plain" },
          { path: "size", kind: "add", after: 1 },
          { path: "token", kind: "add", after: "[secret]" },
        ],
      },
    ],
    diagnostics: [],
    changeSummary: { create: 2 },
  });
});

test("cloud resources are previewed; up refuses before it touches anything", async () => {
  expect(await succeeds("preview", "-c", "cloud=true")).toMatch(/Bucket bucket to create/);
  const stderr = await fails("up");
  expect(stderr).toMatch(/stack local holds 1 resources of plugins, which this engine can only preview\n {2}aws:s3/);
  expect(stderr).toMatch(/Nothing was touched\./);
  expect(done(stderr)).toEqual([]);
});

test("refresh takes over what is there, and drops what is gone", async () => {
  await afterFirstUp();
  expect(await succeeds("refresh")).toMatch(/3 unchanged: nothing to do/);
  writeFileSync(join(demo.folder, "plain-2.gone"), "");
  expect(await succeeds("refresh")).toMatch(/- 1 deleted\n {4}2 unchanged/);
  expect(done(await succeeds("up"))).toEqual(["making plain 2"]);
});

test("destroy asks for --yes, and then deletes all in reverse order", async () => {
  await afterFirstUp();
  const refused = await demo.run("destroy", "--stand-in");
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/fix: Run `npm run destroy -- --yes`\. A database leaves a final backup, unless/);
  const stderr = await succeeds("destroy", "--yes");
  expect(done(stderr).at(-1)).toBe("deleting plain-1");
  expect((await demo.resources()).size).toBe(0);
  expect(await succeeds("destroy", "--yes")).toMatch(/Resources:\n {4}none/);
});
