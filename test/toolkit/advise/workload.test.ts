import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { command } from "../../../toolkit/advise/command.ts";
import { readWorkload, recordWorkload, workloadLines } from "../../../toolkit/advise/workload.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), "workload-"));
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

test("the recorder answers as the database does, and counts statements with some of their values", async () => {
  const recorder = recordWorkload(database.client);
  for (let n = 1; n <= 5; n++) {
    const { rows } = await recorder.query("select $1::int as n", [n]);
    expect(rows).toEqual([{ n }]);
  }
  await recorder.query({ text: "select 1 as one" });
  const file = join(folder, "w.jsonl");
  await writeFile(file, workloadLines(recorder.statements()));
  expect(await readWorkload(file)).toEqual([
    { text: "select $1::int as n", values: [1], calls: 2 },
    { text: "select $1::int as n", values: [2], calls: 2 },
    { text: "select $1::int as n", values: [3], calls: 1 },
    { text: "select 1 as one", values: [], calls: 1 },
  ]);
});

test("a line that is no statement is named", async () => {
  const file = join(folder, "bad.jsonl");
  await writeFile(file, '{"text": "select 1"}\n{"text": "select 2", "calls": -1}\n');
  await expect(readWorkload(file)).rejects.toThrow(
    `line 2 of ${file} is no statement\n  why: Its calls are no number above 0.\n  fix: Write one JSON object a line: {"text": "select …", "values": [], "calls": 1}.`,
  );
});

test("without pg_stat_statements and without a file there is nothing to advise on, and it says how to get it", async () => {
  await expect(command([], database.connection)).rejects.toThrow(
    "there is no workload to advise on\n  why: pg_stat_statements is not installed in this database, or not in shared_preload_libraries.\n  fix: Record what the application sends with recordWorkload (toolkit/advise/workload.ts), and add --workload FILE.",
  );
  await expect(command(["--samples", "few"], database.connection)).rejects.toThrow("is not a whole number from 100 on");
});
