import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { type Demo, makeDemo } from "./demo.ts";

let demo: Demo;
afterEach(() => demo.remove());

/** The processes that work in the demo's folder. */
function processesOf(folder: string): string[] {
  const all = execFileSync("ps", ["-eo", "pid="], { encoding: "utf8" }).trim().split(/\s+/);
  return all.filter((pid) => {
    try {
      return execFileSync("readlink", [`/proc/${pid}/cwd`], { encoding: "utf8", stdio: "pipe" }).trim() === folder;
    } catch {
      return false;
    }
  });
}

const until = async (holds: () => boolean) => {
  for (let tries = 0; !holds(); tries += 1) {
    if (tries > 100) throw new Error("it never came to be so");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

test("an engine that is killed leaves no process behind, and the next up says what was cut off and goes on", async () => {
  demo = await makeDemo();
  const { child, finished, said } = demo.start("up", "--stand-in", "-c", "kind=slow", "-c", "alone=true");
  await said("making slow 1");
  expect(processesOf(demo.folder).length).toBeGreaterThan(1);
  child.kill("SIGKILL");
  await finished;
  await until(() => processesOf(demo.folder).length === 0);
  const next = await demo.run("up", "--stand-in", "-c", "kind=plain");
  expect(next.stderr).toMatch(/the last run was ended while creating first: going on from what it left/);
  expect(next.code).toBe(0);
  expect(await demo.stateText()).not.toContain("pending_operations");
});

test("Ctrl-C lets the step under way finish, begins no other, and exits with 130", async () => {
  demo = await makeDemo();
  const { child, finished, said } = demo.start("up", "--stand-in", "-c", "kind=brief");
  await said("making brief 1");
  child.kill("SIGINT");
  const { code, stderr } = await finished;
  expect(code).toBe(130);
  expect(stderr).toMatch(/interrupted: finishing what is under way/);
  const resources = await demo.resources();
  expect(resources.get("first")).toMatchObject({ id: "brief-1" });
  expect(resources.has("second")).toBe(false);
});

test("two runs on one stack: the second is refused while the first works", async () => {
  demo = await makeDemo();
  const { child, finished, said } = demo.start("up", "--stand-in", "-c", "kind=slow");
  await said("making slow 1");
  const { code, stderr } = await demo.run("up", "--stand-in");
  expect(stderr).toMatch(
    /error: another run \(process \d+\) is working on stack local\n {2}fix: Wait until it is done\./,
  );
  expect(code).toBe(1);
  child.kill("SIGKILL");
  await finished;
});

test.each([
  [["fly"], "error: there is no command fly\n  fix: Add --help for the usage.\n"],
  [["up", "now"], "error: up does not take now\n  fix: Add --help for the usage.\n"],
  [["up", "--config", "size"], "error: --config size has not the form KEY=VALUE\n"],
  [
    ["preview", "--stack", "moon"],
    "error: there is no stack moon: the file Pulumi.moon.yaml does not exist\n" +
      "  fix: Use one of local with --stack, or make Pulumi.moon.yaml.\n",
  ],
  [["up", "--fast"], /^error: Unknown option '--fast'.*\n {2}fix: Add --help to see the options\.\n$/s],
])("wrong usage: %j", async (args, expected) => {
  demo = await makeDemo({ PATH: "/usr/bin:/bin" });
  const { code, stderr } = await demo.run(...args);
  const message = stderr.slice(stderr.indexOf("error:"));
  if (typeof expected === "string") expect(message).toBe(expected);
  else expect(message).toMatch(expected);
  expect(code).toBe(2);
  expect(existsSync(join(demo.folder, ".local/local/state.json"))).toBe(false);
});

test("a damaged state, a wrong passphrase and a broken file are refused with what to do", async () => {
  demo = await makeDemo({ PULUMI_CONFIG_PASSPHRASE: "right" });
  expect((await demo.run("up", "--stand-in", "-c", "alone=true")).code).toBe(0);
  const wrong = await makeDemo({ PULUMI_CONFIG_PASSPHRASE: "wrong" });
  mkdirSync(join(wrong.folder, ".local/local"), { recursive: true });
  writeFileSync(join(wrong.folder, ".local/local/state.json"), await demo.stateText());
  expect((await wrong.run("output", "--stand-in")).stderr).toBe(
    "error: the passphrase is not the one that this stack's secrets were encrypted with\n" +
      "  fix: Set PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE) to the right one.\n",
  );
  await wrong.remove();

  writeFileSync(join(demo.folder, ".local/local/state.json"), "{");
  expect((await demo.run("up", "--stand-in")).stderr).toMatch(
    /error: the state \.local\/local\/state\.json is damaged: it is not a Pulumi deployment\n {2}fix: Put back a copy/,
  );
  writeFileSync(join(demo.folder, "Pulumi.local.yaml"), "config: [");
  expect((await demo.run("up", "--stand-in")).stderr).toMatch(/error: Pulumi\.local\.yaml is not YAML: /);
});

test("a pulumi on PATH is always used, with the same words; --stand-in says otherwise", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pulumi-"));
  writeFileSync(join(folder, "pulumi"), '#!/bin/sh\necho "$@" >> calls\ntest "$1" = stack || exit 3\n');
  chmodSync(join(folder, "pulumi"), 0o755);
  demo = await makeDemo({ PATH: `${folder}${delimiter}${process.env.PATH}` });
  expect((await demo.run("preview", "--diff", "-c", "size=2", "--expect-no-changes")).code).toBe(3);
  const { stderr } = await demo.run("up");
  expect(stderr).toBe(`Pulumi's own engine: ${join(folder, "pulumi")}\n`);
  await demo.run("destroy", "--yes");
  await demo.run("output", "key", "--show-secrets");
  expect(readFileSync(join(demo.folder, "calls"), "utf8").trim().split("\n")).toEqual([
    "preview --stack local --diff --config size=2 --expect-no-changes",
    "stack select --create --stack local",
    "up --yes --stack local",
    "destroy --yes --stack local",
    "stack output key --stack local --show-secrets",
  ]);
  expect((await demo.run("preview", "--stand-in")).stderr).toMatch(/^stand-in engine: /);
  await rm(folder, { recursive: true });
});
