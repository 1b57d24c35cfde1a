import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, jest, test } from "@jest/globals";
import { load } from "../../../toolkit/load/load.ts";
import type { LoadResult } from "../../../toolkit/load/result.ts";
import type { TestDatabase } from "../../support/database.ts";
import { startLoad } from "./child.ts";
import { createPriceDatabase, waitFor, waitUntilBlocked } from "./tables.ts";

const batchSize = 500;
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** Writes a file of 8,000 lines: three symbols, bad lines, days that stand twice, and blank lines at the end. */
function writeFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "resume-"));
  folders.push(folder);
  const lines = Array.from({ length: 8_000 }, (_, index) => {
    const day = new Date(Date.UTC(2004, 0, 1 + Math.floor(index / 4))).toISOString().slice(0, 10);
    const symbol = ["A", "B", "C", index % 40 === 3 ? "A" : "B"][index % 4];
    return `${symbol},${index % 97 === 5 ? "never" : day},${1 + (index % 1000)},${index}`;
  });
  const path = join(folder, "prices.csv");
  writeFileSync(path, `symbol,date,close,volume\n${lines.join("\n")}\n\n\n`);
  return path;
}

const rejected = (path: string) => readFileSync(path.replace(".csv", ".rejects.csv"), "utf8");

async function rows({ client }: TestDatabase): Promise<string[]> {
  const found = await client.query(`
    select concat_ws(' ', symbol, date, close, volume) as price
    from price_history join stocks on stocks.id = stock_id order by 1`);
  return found.rows.map(({ price }) => price);
}

/** The line up to which the file is loaded and committed. */
async function committedLine({ client }: TestDatabase): Promise<number> {
  const present = await client.query("select to_regclass('deploy.load') is not null as present");
  if (!present.rows[0].present) return 0;
  const { rows } = await client.query("select line::int from deploy.load");
  return rows[0]?.line ?? 0;
}

type Interruption = (path: string, database: TestDatabase) => Promise<void>;

/** Kills the process while it waits for a lock: in the middle of a transaction. */
const killedWhileBlocked =
  (table: string, afterLine: number): Interruption =>
  async (path, database) => {
    const { client, connection } = database;
    if (afterLine === 0) await client.query(`begin; lock table ${table} in exclusive mode`);
    const { child, finished } = startLoad(connection, path, { batchSize });
    if (afterLine > 0) {
      await waitFor(async () => (await committedLine(database)) >= afterLine);
      await client.query(`begin; lock table ${table} in exclusive mode`);
    }
    await waitUntilBlocked(client);
    child.kill("SIGKILL");
    expect((await finished).signal).toBe("SIGKILL");
    await client.query("rollback");
  };

/** Kills the process without looking what it does just then. */
const killedAfter =
  (line: number): Interruption =>
  async (path, database) => {
    const { child, finished } = startLoad(database.connection, path, { batchSize });
    await waitFor(async () => (await committedLine(database)) >= line);
    child.kill("SIGKILL");
    expect((await finished).signal).toBe("SIGKILL");
  };

/** Ends the load's session in the server, as an administrator or a restart does. */
const sessionEndedAfter =
  (line: number): Interruption =>
  async (path, database) => {
    const { client, connection } = database;
    const { finished } = startLoad(connection, path, { batchSize });
    await waitFor(async () => (await committedLine(database)) >= line);
    await client.query("begin; lock table deploy.load in exclusive mode");
    await waitUntilBlocked(client);
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'load'`,
    );
    await client.query("rollback");
    const { code, stderr } = await finished;
    expect(code).toBe(1);
    expect(stderr).toContain(
      `error: the connection was lost while ${path} was loaded\n` +
        "  why: terminating connection due to administrator command\n" +
        "  fix: Once the server answers, run the same command again: it goes on after the last batch that was committed.\n",
    );
  };

const interruptions: Interruption[] = [
  killedWhileBlocked("stocks", 0),
  killedWhileBlocked("deploy.load", 600),
  killedAfter(2_000),
  sessionEndedAfter(3_500),
  killedWhileBlocked("deploy.load", 5_000),
];

describe.each(["plain", "partitioned"] as const)("into a %s price_history", (shape) => {
  test("a load that is interrupted again and again ends like one that was left in peace", async () => {
    jest.spyOn(process.stderr, "write").mockReturnValue(true);
    const calm = { path: writeFile(), database: await createPriceDatabase(shape) };
    const undisturbed = await load(calm.database.connection, calm.path, { batchSize });

    const { path, database } = { path: writeFile(), database: await createPriceDatabase(shape) };
    for (const interrupt of interruptions) await interrupt(path, database);
    const { finished } = startLoad(database.connection, path, { batchSize });
    const { code, stdout, stderr } = await finished;
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const result = JSON.parse(stdout) as LoadResult;

    expect(result.resumedAfterLine).toBeGreaterThanOrEqual(5_000);
    const { file, rejectsFile, resumedAfterLine, firstRejects, ...counts } = result;
    expect(undisturbed).toMatchObject(counts);
    expect(undisturbed.rejected).toBe(83);
    expect(await rows(database)).toEqual(await rows(calm.database));
    expect(rejected(path)).toBe(rejected(calm.path));

    const again = await load(database.connection, path, { batchSize });
    expect(again.alreadyLoaded).toBe(true);
    jest.restoreAllMocks();
    await Promise.all([database.drop(), calm.database.drop()]);
  });
});

test("an interrupted load whose reject file is gone starts from the first line", async () => {
  jest.spyOn(process.stderr, "write").mockReturnValue(true);
  const [path, database] = [writeFile(), await createPriceDatabase("plain")];
  await killedAfter(2_000)(path, database);
  rmSync(path.replace(".csv", ".rejects.csv"));
  const result = await load(database.connection, path, { batchSize });
  expect(result).toMatchObject({ resumedAfterLine: 0, rejected: 83 });
  expect(rejected(path).split("\n")).toHaveLength(85);
  jest.restoreAllMocks();
  await database.drop();
});

test("a folder that rejected lines cannot be written to stops the load, which goes on with another folder", async () => {
  const [path, database] = [writeFile(), await createPriceDatabase("plain")];
  chmodSync(dirname(path), 0o555);
  const { finished } = startLoad(database.connection, path, { batchSize, asNobody: true });
  const { code, stderr } = await finished;
  expect(code).toBe(1);
  expect(stderr).toContain(
    `error: the rejected lines cannot be written to ${path.replace(".csv", ".rejects.csv")}\n` +
      `  why: EACCES: permission denied, open '${path.replace(".csv", ".rejects.csv")}'\n` +
      "  fix: Name a folder that can be written to with --rejects, and run the command again.\n",
  );
  jest.spyOn(process.stderr, "write").mockReturnValue(true);
  const rejects = mkdtempSync(join(tmpdir(), "rejects-"));
  folders.push(rejects);
  expect(await load(database.connection, path, { batchSize, rejects })).toMatchObject({ rejected: 83 });
  jest.restoreAllMocks();
  await database.drop();
});
