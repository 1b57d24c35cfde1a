import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import type { Context } from "../../../toolkit/cli.ts";
import { connectionString } from "../../../toolkit/connection.ts";
import { command } from "../../../toolkit/status/command.ts";
import { columnsOf, piece, render } from "../../../toolkit/status/lines.ts";
import { ratesBetween } from "../../../toolkit/status/rates.ts";
import { Sampler } from "../../../toolkit/status/sampler.ts";
import { view } from "../../../toolkit/status/view.ts";
import { until } from "../monitor/support.ts";
import { type Ill, makeIll } from "./illness.ts";

let ill: Ill;
const context = { backup: { kind: "auto", directory: "" } } as Context;

beforeAll(async () => {
  ill = await makeIll();
});
afterAll(() => ill.cure());
afterEach(() => {
  jest.restoreAllMocks();
});

async function status(...argv: string[]): Promise<{ code: number; output: string }> {
  let output = "";
  jest.spyOn(process.stdout, "write").mockImplementation((text) => {
    output += text;
    return true;
  });
  const code = await command(argv, ill.connection, context);
  return { code, output };
}

test("without a terminal it is shown once: what is wrong with its runbook, what runs, who holds up whom", async () => {
  const { code, output } = await status("--interval", "0.1", "--threshold", "locks.waitSeconds=0");
  expect(code).toBe(0);
  expect(output).toMatch(/^test_\w+ {2}PostgreSQL 17\.\d+, primary, up .* UTC\nsize .* connections \d+\/197 {3}TPS \d/);
  expect(output).toContain(
    "critical  check sequences       The sequence public.narrow stands at 32,000 of 32,767, 97.7 %.",
  );
  expect(output).toContain(`warning   runbook lock-pile-up  2 sessions wait for a lock of session ${ill.culprit} (`);
  expect(output).toMatch(/\n {2}\d+ {2}postgres {2}web +\d+ s {2}Lock:\w+ +update /);
  const tree = output.slice(output.indexOf("\nLocks\n")).split("\n").slice(2, 5);
  expect(tree[0]).toMatch(
    new RegExp(`^ {2}${ill.culprit} postgres, idle in transaction, holds up 2 sessions: update "`),
  );
  expect(tree[1]).toMatch(/^ {2}└─ \d+ postgres waits \d+ s: update "/);
  expect(tree[2]).toMatch(/^ {5}└─ \d+ postgres waits \d+ s: update "/);
  expect(output).toMatch(/Table health, of 100 points\n +\d+ {2}public\./);
  expect(output).not.toContain("hunter2");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a name of the database holds one
  expect(output).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});

test("--json prints the snapshot with the rates", async () => {
  const { output } = await status("--json", "--interval", "0.1");
  expect(JSON.parse(output)).toMatchObject({
    server: { database: ill.connection.database },
    answers: { traffic: { rows: [{ sizeBytes: expect.any(Number) }] } },
    rates: { transactionsPerSecond: expect.any(Number) },
  });
});

test("an interval that is none, and a threshold that there is not, are wrong usage", async () => {
  await expect(status("--interval", "soon")).rejects.toThrow(`--interval soon is not accepted
  fix: Give seconds from 0.1 to 3600.`);
  await expect(status("--threshold", "locks.wait=1")).rejects.toThrow("there is no threshold locks.wait");
});

test("rates count what was committed between two snapshots; counters that were reset make none", async () => {
  const sampler = new Sampler(ill.connection, {}, "test");
  try {
    const flush = "select pg_stat_force_next_flush()";
    await ill.client.query(flush);
    const before = await sampler.sample();
    for (let n = 0; n < 40; n++) await ill.client.query("select 1");
    await ill.client.query(`create table written as select generate_series(1, 100); ${flush}`);
    await ill.client.query("insert into written select 1 from generate_series(1, 500)");
    await ill.client.query(flush);
    const after = await sampler.sample();
    const rates = ratesBetween(before, after)!;
    expect(rates.transactionsPerSecond * rates.seconds).toBeGreaterThanOrEqual(42);
    expect(rates.rowsWrittenPerSecond * rates.seconds).toBeGreaterThanOrEqual(500);
    expect(rates.walBytesPerSecond).toBeGreaterThan(0);
    expect(ratesBetween(after, before)).toBeUndefined();
    await ill.client.query("select pg_stat_reset()");
    expect(ratesBetween(after, await sampler.sample())).toBeUndefined();
  } finally {
    sampler.close();
  }
});

test("a small terminal gets a part of each section, and no line that is wider than it", async () => {
  const sampler = new Sampler(ill.connection, { "locks.waitSeconds": 0 }, "test");
  const taken = await sampler.sample().finally(() => sampler.close());
  const plain = new PassThrough();
  for (const [rows, columns] of [
    [20, 60],
    [40, 100],
    [12, 30],
  ] as const) {
    const lines = view({ taken, rates: undefined }, rows, columns).map((line) => render(line, columns, plain));
    expect(lines.length).toBeLessThanOrEqual(rows);
    expect(lines.filter((line) => columnsOf(line) > columns)).toEqual([]);
  }
  const small = view({ taken, rates: undefined }, 20, 60).map((line) => render(line, 60, plain));
  for (const title of [/^Findings: \d critical/, /^Active statements/, /^Locks/, /^Table health/])
    expect(small).toContainEqual(expect.stringMatching(title));
  expect(small).toContainEqual(expect.stringMatching(/ {2}\(\d+ more\)$/));
});

test("a line is cut by the columns that letters take, and without what a terminal obeys", () => {
  const plain = new PassThrough();
  expect(render([piece("ab"), piece("cdef", "red")], 4, plain)).toBe("abc…");
  expect(render([piece("日本語")], 5, plain)).toBe("日本…");
  expect(render([piece("日本語")], 6, plain)).toBe("日本語");
  expect(render([piece("e\u0301\u0301x")], 2, plain)).toBe("e\u0301\u0301x");
  expect(render([piece("a\u001b[2Jb\u009bc\u202ed\ne")], 20, plain)).toBe("a [2Jb c d e");
});

// util-linux's `script` gives a program a terminal.
const script = spawnSync("script", ["--version"]).stdout?.includes("util-linux") ?? false;

/** Runs it on a terminal of 20 lines by 60 columns, between two prints of the terminal's settings. */
function onTerminal(environment: Record<string, string> = {}) {
  const live = `${process.execPath} toolkit/cli.ts status --interval 0.1`;
  const child = spawn(
    "script",
    ["-qefc", `stty rows 20 cols 60; stty -g; ${live}; echo "code $?"; stty -g`, "/dev/null"],
    {
      env: {
        ...process.env,
        TERM: "xterm",
        SHELL: "/bin/sh",
        DATABASE_URL: connectionString(ill.connection),
        ...environment,
      },
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const seen = { text: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    seen.text += text;
  });
  const frames = () => seen.text.split("\u001b[H").slice(1);
  return { child, seen, frames, ended: once(child, "close") };
}

(script ? test : test.skip)(
  "on a terminal it draws in place, outlives a lost session, and gives the terminal back on q",
  async () => {
    const { child, seen, frames, ended } = onTerminal({ FORCE_COLOR: "1" });
    await until(async () => frames().length > 2);
    await ill.client.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'status'");
    await until(async () => frames().some((frame) => frame.includes("trying again")));
    await until(async () => frames().at(-1)!.includes("q quits; every 0.1 s"));
    child.stdin.write("q");
    await ended;
    const [before, after] = [seen.text.split("\r\n")[0], seen.text.trimEnd().split("\r\n").at(-1)];
    expect(seen.text.startsWith(`${before}\r\n\u001b[?1049h\u001b[?25l\u001b[H`)).toBe(true);
    expect(seen.text).toContain("\u001b[?25h\u001b[?1049lcode 0\r\n");
    expect(after).toBe(before);
    expect(frames()[1]!.split("\r\n").length).toBeLessThanOrEqual(20);
  },
);

(script ? test : test.skip)(
  "Ctrl-C ends it with 130, the terminal as it was, and NO_COLOR without colours",
  async () => {
    const { child, seen, frames, ended } = onTerminal({ NO_COLOR: "1" });
    await until(async () => frames().length > 0);
    child.stdin.write("\u0003");
    await ended;
    expect(seen.text).toContain("\u001b[?25h\u001b[?1049lcode 130\r\n");
    expect(seen.text.trimEnd().split("\r\n").at(-1)).toBe(seen.text.split("\r\n")[0]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
    expect(frames()[0]).not.toMatch(/\u001b\[\d+m/);
  },
);
