import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import type { Context } from "../../../toolkit/cli.ts";
import { command, needsDatabase } from "../../../toolkit/monitor/command.ts";
import { allQuestions } from "../../../toolkit/monitor/questions.ts";
import { allThresholds } from "../../../toolkit/monitor/thresholds.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

let database: TestDatabase;
let folder: string;
const context = { backup: { kind: "auto", directory: "" } } as unknown as Context;

beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), "check-"));
  await database.client.query("create sequence narrow as smallint; select setval('narrow', 25000)");
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});
afterEach(() => {
  jest.restoreAllMocks();
});

async function check(argv: string[], thresholds?: Record<string, number>): Promise<{ code: number; output: string }> {
  let output = "";
  jest.spyOn(process.stderr, "write").mockReturnValue(true);
  jest.spyOn(process.stdout, "write").mockImplementation((text) => {
    output += text;
    return true;
  });
  const code = await command(argv, database.connection, thresholds ? { ...context, ...{ thresholds } } : context);
  return { code, output };
}

test("check prints the answer as a table, and what is wrong with what to do", async () => {
  const { code, output } = await check(["sequences", "wraparound", "--threshold", "sequences.usedPercent=75"]);
  expect(code).toBe(0);
  expect(output).toContain(`Which sequences and integer keys run out?  (sequences)
  object         column  last value  most    used %
  public.narrow          25,000      32,767  76.3
`);
  expect(output).toContain(`warning  sequences: The sequence public.narrow stands at 25,000 of 32,767, 76.3 %.
  why: At its end every insert fails.
  fix: alter sequence public.narrow as bigint;
`);
});

test("limits of the command line win over those of a file, and those over the stack's; a critical finding is exit code 1", async () => {
  const file = join(folder, "limits.json");
  await writeFile(file, JSON.stringify({ "sequences.criticalPercent": 76 }));
  const severity = async (argv: string[], thresholds: Record<string, number> = {}) => {
    const { code, output } = await check(["sequences", "--json", ...argv], thresholds);
    return [code, JSON.parse(output).findings[0]?.severity];
  };
  expect(await severity([])).toEqual([0, "warning"]);
  expect(await severity([], { "sequences.usedPercent": 80 })).toEqual([0, undefined]);
  expect(await severity(["--thresholds", file], { "sequences.criticalPercent": 90 })).toEqual([1, "critical"]);
  expect(await severity(["--thresholds", file, "--threshold", "sequences.criticalPercent=90"])).toEqual([0, "warning"]);
});

test("--list shows every threshold with its reason and a source on the web, and asks no database", async () => {
  expect(await needsDatabase(["--list"])).toBe(false);
  const { output } = await check(["--list"]);
  const all = allThresholds();
  expect(output.trim().split("\n")).toHaveLength(2 * all.length);
  for (const { name, why, source, unit } of all) {
    expect(output).toContain(`${name} = `);
    expect([why.endsWith("."), source.startsWith("https://"), unit !== ""]).toEqual([true, true, true]);
  }
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
});

test("a question or a threshold that there is not is wrong usage, before any database is asked", async () => {
  await expect(needsDatabase(["lock"])).rejects.toThrow(`there is no question lock
  fix: Use some of ${allQuestions.map(({ name }) => name).join(", ")}.`);
  await expect(needsDatabase(["--threshold", "locks.wait=1", "--threshold", "locks.waitSeconds=soon"])).rejects.toThrow(
    `--threshold: there is no threshold locks.wait; locks.waitSeconds is "soon", and not a number from 0 on
  fix: \`toolkit check --list\` shows every threshold with its unit.`,
  );
});
