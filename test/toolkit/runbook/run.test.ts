import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { exitCodes } from "../../../toolkit/runbook/record.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { otherwise, page, risk, run, sql, step, temporaryFolder } from "./support.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());
beforeEach(() =>
  database.client.query("drop schema if exists deploy cascade; drop table if exists t; create table t (n int)"),
);

const look = (expectation: string, title = "Look") =>
  step(sql("select count(*)::int as n from t"), [`**Expect**: \`${expectation}\``, otherwise], title);
const add = (title = "Add") =>
  step(sql("insert into t values (1)", "changes"), ["**Expect**: `rows = 0`", risk, otherwise], title);

async function numbers(): Promise<number[]> {
  return (await database.client.query("select n from t order by n")).rows.map(({ n }) => n);
}

async function recorded() {
  const { rows } = await database.client.query(
    `select r.runbook, r.result, r.parameters, s.number, s.title, s.changes, s.result as step, s.finished_at is not null as finished
     from deploy.runbook_run r join deploy.runbook_step s on s.run = r.id order by number`,
  );
  return rows;
}

test("a page runs to its end, is told, and is recorded in a file and in the database", async () => {
  const { record, said, folder } = await run(
    page([look("n = 0"), add(), look("n = 1", "Look again")]),
    database.connection,
  );
  expect(record.result).toBe("done");
  expect(said.replace(/record: .*\)/, "record)")).toBe(`A page
  Something is wrong
  needs: nothing

1/3 Look  [reads]
      Why it is so.
      | select count(*)::int as n from t
      n
      0
      ok: n = 0 (n is 0)

2/3 Add  [changes]
      Why it is so.
      | insert into t values (1)
      risk: none.
      ok: rows = 0 (rows is 0)

3/3 Look again  [reads]
      Why it is so.
      | select count(*)::int as n from t
      n
      1
      ok: n = 1 (n is 1)

Done: every step found what it expected. (record)`);
  const common = { runbook: "own", result: "done", parameters: {}, step: "done", finished: true };
  expect(await recorded()).toEqual([
    { ...common, number: 1, title: "Look", changes: false },
    { ...common, number: 2, title: "Add", changes: true },
    { ...common, number: 3, title: "Look again", changes: false },
  ]);
  const [json, markdown] = readdirSync(folder).sort();
  expect(JSON.parse(readFileSync(join(folder, json!), "utf8"))).toEqual(JSON.parse(JSON.stringify(record)));
  expect(readFileSync(join(folder, markdown!), "utf8")).toContain("## 2. Add: done\n");
  expect(readFileSync(join(folder, json!), "utf8")).not.toContain(database.connection.password);
});

test("it stops at the first surprise, and says where to go", async () => {
  const { record, said } = await run(page([look("n = 1"), add()]), database.connection);
  expect([record.result, exitCodes[record.result], await numbers()]).toEqual(["stopped", 1, []]);
  expect(record.steps).toMatchObject([{ result: "failed", next: "see [the other page](other.md)." }]);
  expect(said).toContain("not as expected: n = 1 (n is 0)\n      next: see the other page (npm run runbook -- other).");
  expect(await recorded()).toMatchObject([{ result: "stopped", step: "failed" }]);
});

test("an error of the server is a surprise too", async () => {
  const { record } = await run(
    page([step(sql("select 1 / 0"), ["**Expect**: `rows = 1`", otherwise]), add()]),
    database.connection,
  );
  expect(record.steps).toMatchObject([{ result: "failed", error: "division by zero" }]);
  expect(await numbers()).toEqual([]);
});

test("a step that says it only reads cannot write", async () => {
  const sneaky = step(sql("insert into t values (1) returning n"), ["**Expect**: `rows = 1`", otherwise]);
  const { record } = await run(page([sneaky]), database.connection);
  expect(record.steps[0]!.error).toBe("cannot execute INSERT in a read-only transaction");
  expect(await numbers()).toEqual([]);
});

test.each([
  ["no", "declined", 1],
  ["nobody to ask", "refused", 2],
] as const)("answered %j, a change does not happen, and what only reads has run", async (answer, result, exit) => {
  const { record } = await run(page([look("n = 0"), add()]), database.connection, { confirm: async () => answer });
  expect([record.result, exitCodes[record.result], await numbers()]).toEqual([result, exit, []]);
  expect(record.steps.map((step) => step.result)).toEqual(["done", result]);
});

test("each change is asked for by its title, and nothing else is", async () => {
  const asked: string[] = [];
  await run(page([look("n = 0"), add("One"), add("Two")]), database.connection, {
    confirm: async (question) => (asked.push(question) === 1 ? "yes" : "no"),
  });
  expect([asked, await numbers()]).toEqual([["One?", "Two?"], [1]]);
});

test("a dry run checks what comes before the first change, shows the rest, and leaves nothing in the database", async () => {
  const create = step(
    sql("select format('create table %I ()', $name::text) \\gexec", "changes"),
    ["**Expect**: `rows = 1`", risk, otherwise],
    "Create",
  );
  const own = page([look("n = 0"), create, look("n = 99", "Afterwards")], { name: { description: "which" } });
  const { record, said } = await run(own, database.connection, { dryRun: true, set: ['name=A "b'] });
  expect([record.result, exitCodes[record.result]]).toEqual(["dry run", 0]);
  expect(record.steps.map((step) => step.result)).toEqual(["done", "shown", "shown"]);
  expect(said).toContain('would run now:\n      create table "A ""b" ()');
  const { rows } = await database.client.query(
    "select to_regnamespace('deploy') as deploy, (select count(*)::int from pg_class where relname like 'A%') as made",
  );
  expect(rows).toEqual([{ deploy: null, made: 0 }]);
});

test("generated statements run one by one outside a transaction, each with its own result", async () => {
  const vacuum = step(
    sql("select format('vacuum %I', relname) from pg_class where relname = $name \\gexec", "changes", "waits"),
    ["**Expect**: `rows = 1` and `result = 'VACUUM'`", risk, otherwise],
  );
  const { record } = await run(page([vacuum], { name: { default: "t", description: "which" } }), database.connection);
  expect(record.steps[0]!.rows).toEqual([{ statement: "vacuum t", result: "VACUUM" }]);
});

test("a change gives up a lock that it does not get, unless it says that it waits", async () => {
  const timeout = (...attributes: string[]) =>
    step(sql("select current_setting('lock_timeout') as t", "changes", ...attributes), [
      "**Expect**: `rows = 1`",
      risk,
      otherwise,
    ]);
  const { record } = await run(page([timeout(), timeout("waits")]), database.connection);
  expect(record.steps.map(({ rows }) => rows[0]!.t)).toEqual(["5s", "0"]);
});

test("the text of somebody's query is shown, and not kept", async () => {
  const secret = step(sql("select 'password=' || 'x' as query"), ["**Expect**: `rows = 1`", otherwise]);
  const { record, said } = await run(page([secret]), database.connection);
  expect(said).toContain("password=x");
  expect(record.steps[0]!.rows).toEqual([{ query: "(not kept)" }]);
});

test("a command of the toolkit runs on the same database; its exit code and its output are checked", async () => {
  const report = (expectation: string) =>
    step("```toolkit\nreport --help\n```", [`**Expect**: ${expectation}`, otherwise]);
  const fine = await run(page([report("`output ~ /^usage: toolkit report/`")]), database.connection);
  expect(fine.record.result).toBe("done");
  expect(fine.said).toContain("      usage: toolkit report [--json]");
  const unknown = step("```toolkit\nreport --fast\n```", ["**Expect**: `output ~ /fast/`", otherwise]);
  const refused = await run(page([unknown]), database.connection);
  expect(refused.record.steps[0]!.checks).toEqual([
    { expectation: "exit = 0", met: false, found: "exit is 2" },
    { expectation: "output ~ /fast/", met: true, found: "the output is so" },
  ]);
});

test("told to stop, it finishes the step that runs and begins no other", async () => {
  const stop = new AbortController();
  const { record } = await run(page([add("One"), add("Two")]), database.connection, {
    stop: stop.signal,
    confirm: async () => {
      queueMicrotask(() => queueMicrotask(() => stop.abort()));
      return "yes";
    },
  });
  expect([record.result, exitCodes[record.result], await numbers()]).toEqual(["interrupted", 130, [1]]);
});

test("a run goes on where the server has ended its session", async () => {
  const suicide = step(
    sql("select pg_terminate_backend(pid) from pg_stat_activity where pid = pg_backend_pid()", "changes"),
    ["**Expect**: `rows = 1`", risk, otherwise],
  );
  const { record, folder } = await run(page([suicide]), database.connection);
  expect(record.steps[0]!.error).toMatch(/terminat/);
  expect(readdirSync(folder)).toHaveLength(2);
  expect(await recorded()).toMatchObject([{ result: "stopped", step: "failed" }]);
});

test("where the database is not reachable, the file alone has the record, and the run says so once", async () => {
  const nowhere = { ...database.connection, port: 1 };
  const { record, said, folder } = await run(page([look("n = 0")]), nowhere);
  expect(record.result).toBe("stopped");
  expect(said.match(/not recorded in the database/g)).toHaveLength(1);
  expect(readdirSync(folder)).toHaveLength(2);
});

test("a record that cannot be written stops nothing", async () => {
  const blocked = join(await temporaryFolder(), "file");
  writeFileSync(blocked, "in the way");
  const { record, said } = await run(page([look("n = 0"), add()]), database.connection, { records: blocked });
  expect([record.result, await numbers(), await recorded()]).toMatchObject([
    "done",
    [1],
    [{ step: "done" }, { step: "done" }],
  ]);
  expect(said.match(/the record cannot be written to/g)).toHaveLength(1);
  expect(said).toContain("Done: every step found what it expected. (no record in a file)");
});

test("generated statements are shown before anybody is asked", async () => {
  const create = step(sql("select format('create table %I ()', $name::text) \\gexec", "changes"), [
    "**Expect**: `rows = 1`",
    risk,
    otherwise,
  ]);
  let before = "";
  const lines: string[] = [];
  await run(page([create], { name: { default: "A b", description: "which" } }), database.connection, {
    say: (line) => lines.push(line),
    confirm: async () => {
      before = lines.join("\n");
      return "no";
    },
  });
  expect(before).toContain('runs:\n      create table "A b" ()');
});
