import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { connectionString } from "../../../toolkit/connection.ts";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { fingerprint } from "../../../toolkit/migrate/fingerprint.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

let folder: string;
const directory = () => join(folder, "migrations");
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "apply-all-"));
  await mkdir(directory());
  const accepted = "-- accepts constraint-not-validated: the rows of before are corrected by hand";
  for (const [name, up, down] of [
    ["0001_things", "create table things (id int primary key, size int)", "drop table things"],
    [
      "0002_sizes",
      `${accepted}\nalter table things add constraint positive check (size > 0) not valid`,
      "alter table things drop constraint positive",
    ],
  ])
    await writeFile(join(directory(), `${name}.sql`), `-- Up Migration\n${up};\n-- Down Migration\n${down};\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs the command as a user does; killed (SIGKILL) when its talk has a text, where one is given. */
async function applyAll(database: TestDatabase, args: string[], killedAt?: string) {
  const { NODE_OPTIONS, ...env } = process.env;
  const child = spawn(
    process.execPath,
    ["toolkit/cli.ts", "apply-all", "--reports", reports(), "--duration", "1", ...args],
    {
      env: { ...env, DATABASE_URL: connectionString(database.connection), NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    stderr += part;
    if (killedAt && stderr.includes(killedAt)) child.kill("SIGKILL");
  });
  const [stdout, [code, signal]] = await Promise.all([text(child.stdout), once(child, "close")]);
  return { code, signal, stdout, stderr };
}

const reports = () => join(folder, "reports");
const written = async (kind: string) => {
  const names = (await readdir(reports())).filter((name) => name.startsWith(kind));
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(join(reports(), name), "utf8"))));
};

describe("on a database that is new", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  test("without a yes nothing is done, and it says what would be", async () => {
    const { code, stderr } = await applyAll(database, []);
    expect(code).toBe(2);
    expect(stderr).toMatch(/\d+ migrations are pending\nNothing was done\. Add --yes to do it\.\n/);
    const { rows } = await database.client.query("select to_regnamespace('deploy') as deploy");
    expect(rows[0]).toEqual({ deploy: null });
  });

  test("tables that nobody recorded stop it, with the way to record them", async () => {
    await database.client.query("create table things (id int)");
    const { code, stderr } = await applyAll(database, ["--yes", "--directory", directory()]);
    expect(code).toBe(1);
    const file = join(directory(), "0001_things.sql");
    expect(stderr).toContain(
      "error: nothing was touched, for not all is as it has to be:\n" +
        "there are tables of 0001_things already, and no migration is recorded as applied: things\n" +
        "  why: It cannot make them again.\n" +
        `  fix: If they are as ${file} makes them, record it as applied, and run this again: ` +
        `npx node-pg-migrate up 1 --fake --migrations-dir ${directory()}. ` +
        "Otherwise make a migration that says what you have, and number it first.\n",
    );
    await database.client.query("drop table things");
  });

  test("killed in the middle, the next run goes on; it validates, and reports the performance", async () => {
    const own = ["--yes", "--directory", directory()];
    const killed = await applyAll(database, own, "applied 0002");
    expect(killed.signal).toBe("SIGKILL");
    const { code, stdout, stderr } = await applyAll(database, [...own, "--json"]);
    const stages = stderr.split("\n").filter((line) => /^\[\d\/\d\]/.test(line));
    expect(stages).toEqual([
      ...["[1/5] checks", "[2/5] backup and migrations", "[3/5] analyze", "[4/5] validation"],
      "[5/5] performance report",
    ]);
    expect(stderr).toContain("going on with the run that was interrupted\n");
    expect(stderr).toContain("nothing to migrate: the schema is at 0002_sizes, so no backup is needed\n");
    const done = JSON.parse(stdout);
    const [validation] = await written("validation_results");
    const [performance] = await written("initial_performance_report");
    expect(done).toMatchObject({ validation, performance, head: "0002_sizes", migrated: [] });
    expect(validation.checks.map(({ name, passed }: { name: string; passed: boolean }) => [name, passed])).toEqual([
      ...[
        ["migrations", true],
        ["invalid-index", true],
        ["constraint-not-validated", true],
      ],
      ...[
        ["partition-missing", true],
        ["critical-queries", true],
      ],
    ]);
    expect(performance).toMatchObject({ version: 1, server: { database: database.connection.database } });
    expect(code).toBe(0);
  });
});

describe("on an untuned database with a table too big for one transaction", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
    await applyMigrations(database.connection, { directory: "migrations", to: "0001_initial_schema" });
    await database.client.query(`
      insert into stocks (symbol, name) select 's' || n, 's' from generate_series(1, 100) as n;
      insert into price_history (stock_id, date, close)
      select stock, date '2023-01-01' + day, day from generate_series(1, 100) as stock, generate_series(1, 1001) as day;
      analyze`);
  });
  afterAll(() => database.drop());

  test("it is converted while it is in use, also when that was killed, and the schema is that of a new database", async () => {
    const own = ["--yes", "--without-backup"];
    const killed = await applyAll(database, own, "changes are logged");
    expect(killed.signal).toBe("SIGKILL");
    expect(killed.stderr).toContain(
      "price_history is too big for the transaction of 0018_price_history_by_month: it is converted before, while it is in use\n",
    );
    const { code, stderr } = await applyAll(database, own);
    expect(stderr).toContain("verified: 100,100 rows in 33 months are the same in both tables\n");
    expect(code).toBe(0);
    const fresh = await createDatabase({ template: "head" });
    expect(await fingerprint(database.client)).toBe(await fingerprint(fresh.client));
    await fresh.drop();
    const { rows } = await database.client.query(
      "select count(*)::int as rows, sum(close)::int as sum from price_history",
    );
    expect(rows[0]).toEqual({ rows: 100_100, sum: 50_150_100 });
  });
});

describe("on a database that is at its head", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ template: "head" });
  });
  afterAll(() => database.drop());

  test("there is nothing to migrate, and partitions that are missing fail it, with what to do", async () => {
    const { rows } = await database.client.query(
      "select partition::text as name from partition_bounds('public.price_history') where from_date > current_date",
    );
    for (const { name } of rows) await database.client.query(`drop table ${name}`);
    const { code, stderr } = await applyAll(database, ["--yes"]);
    expect(stderr).toMatch(
      /no migration is pending\n\[2\/5\] backup and migrations\nnothing to migrate: the schema is at \d{4}_\w+, so no backup is needed\n/,
    );
    expect(stderr).toMatch(
      /failed: months without a partition: public\.price_history .*\n {2}why: .*\n {2}fix: Make them: select create_partitions_ahead\('public\.price_history', 12\);\n/,
    );
    expect(code).toBe(1);
  });

  test("a schema that was changed by hand stops it before anything is touched", async () => {
    await database.client.query("alter table stocks add column by_hand int");
    const { code, stderr } = await applyAll(database, ["--yes"]);
    expect(code).toBe(1);
    expect(stderr).toContain("error: nothing was touched, for not all is as it has to be:\n");
    expect(stderr).not.toContain("[2/5]");
  });
});
