import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { findBinaries } from "../../../toolkit/server/binaries.ts";
import type { ServerInputs } from "../../../toolkit/server/properties.ts";
import { check } from "../../../toolkit/server/resource.ts";
import { makeStack, printed, type Stack } from "./stack.ts";

let stack: Stack;
let version: string;
beforeAll(async () => {
  stack = await makeStack();
  version = (await findBinaries()).version;
});
afterAll(() => stack.remove());

const failuresOf = async (changes: Partial<ServerInputs>) =>
  (await check({}, { ...stack.inputs, ...changes })).failures;

test("a stack whose inputs are right has no failure, and nothing is made", async () => {
  expect(await failuresOf({})).toEqual([]);
  expect(await check(undefined, stack.inputs)).toEqual({ inputs: stack.inputs, failures: [] });
});

test("a port on which another program listens is refused, with its name and a free port", async () => {
  const other = await listen();
  const { port } = other.address() as { port: number };
  try {
    const [failure, ...more] = (await failuresOf({ port }))!;
    expect(more).toEqual([]);
    expect(failure!.property).toBe("port");
    const lines = failure!.reason.split("\n");
    expect(lines[0]).toBe(`port ${port} is taken`);
    if (process.platform === "linux")
      expect(lines[1]).toContain(`(process ${process.pid}) in ${process.cwd()} listens on it.`);
    expect(lines[2]).toMatch(/^ {2}fix: End that program, or take another port: `up -c database:port=\d+`\.$/);
  } finally {
    other.close();
  }
});

function listen(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
  });
}

test("every setting that PostgreSQL refuses is named, with its reason", async () => {
  const settings = {
    work_mem: "lots",
    jit: "maybe",
    wal_compression: "best",
    datestyle: "Mars",
    wrk_mem: "4MB",
    log_line_prefix: "it's %m",
    "auto_explain.log_analyze": "on",
    port: "1",
    include: "/etc/passwd",
    application_name: "one\nwork_mem = '1'",
  };
  const failures = (await failuresOf({ settings }))!;
  const reasons = Object.fromEntries(failures.map(({ property, reason }) => [property, reason]));
  expect(Object.keys(reasons).sort()).toEqual(
    ["application_name", "datestyle", "include", "jit", "port", "wal_compression", "work_mem", "wrk_mem"].map(
      (name) => `settings.${name}`,
    ),
  );
  expect(failures).toHaveLength(8);
  const fix = "\n  fix: Correct it in database:parameters, or remove it.";
  expect(reasons).toMatchObject({
    "settings.work_mem": `PostgreSQL's setting work_mem cannot be "lots"\n  why: Invalid value for parameter "work_mem": "lots".${fix}`,
    "settings.jit": `PostgreSQL's setting jit cannot be "maybe"\n  why: Parameter "jit" requires a Boolean value.${fix}`,
    "settings.wal_compression": `PostgreSQL's setting wal_compression cannot be "best"\n  why: Invalid value for parameter "wal_compression": "best". Available values: pglz, on, off.${fix}`,
    "settings.datestyle": `PostgreSQL's setting datestyle cannot be "Mars"\n  why: Invalid value for parameter "DateStyle": "Mars". Unrecognized key word: "mars".${fix}`,
    "settings.wrk_mem": `PostgreSQL's setting wrk_mem cannot be "4MB"\n  why: Unrecognized configuration parameter "wrk_mem".${fix}`,
    "settings.port": `PostgreSQL's setting port cannot be "1"\n  why: The port has a key of its own: database:port.\n  fix: Remove it from database:parameters.`,
  });
});

test("a version that is not installed is refused", async () => {
  expect(await failuresOf({ version: "16" })).toEqual([
    {
      property: "version",
      reason: `there is no embedded PostgreSQL 16\n  why: The npm package that is installed holds PostgreSQL ${version}.\n  fix: Set database:version to 17.`,
    },
  ]);
});

test("a data folder of another major version is refused and not touched", async () => {
  const old = await makeStack();
  try {
    await mkdir(join(old.data, "global"), { recursive: true });
    await writeFile(join(old.data, "PG_VERSION"), "14\n");
    await writeFile(join(old.data, "global/pg_control"), Buffer.alloc(8192, 1));
    expect((await printed(() => check({}, old.inputs))).result.failures).toEqual([
      {
        property: "version",
        reason:
          `the data folder ${old.data} is of PostgreSQL 14, and the embedded one is ${version}\n` +
          "  why: A server reads only the files of its own major version.\n" +
          "  fix: Run it with PostgreSQL 14 and dump it there, or move the folder away to start with an empty server.",
      },
    ]);
  } finally {
    await old.remove();
  }
});

test("a data folder that is none of PostgreSQL's is refused and not touched", async () => {
  const other = await makeStack();
  try {
    await mkdir(other.data, { recursive: true });
    await writeFile(join(other.data, "photo.jpg"), "");
    const failures = (await check({}, other.inputs)).failures!;
    expect(failures.map(({ property }) => property)).toEqual(["directory"]);
    expect(failures[0]!.reason).toContain(`${other.data} is not a whole data folder of PostgreSQL`);
  } finally {
    await rm(other.folder, { recursive: true });
  }
});

test("a restoreFrom that is no final backup is refused", async () => {
  const [failure] = (await failuresOf({ restoreFrom: stack.folder }))!;
  expect(failure!.property).toBe("restoreFrom");
  expect(failure!.reason).toContain(`${stack.folder} is not a final backup\n`);
  expect(failure!.reason).toContain(
    "fix: Give the folder that `destroy` printed: .local/<stack>/backups/final-<time>.",
  );
});

test("inputs that are not known yet are not looked at", async () => {
  const news = { ...stack.inputs, version: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" };
  expect(await check({}, news)).toEqual({ inputs: news });
});
