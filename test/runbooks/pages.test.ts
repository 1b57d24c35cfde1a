import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import type { Context } from "../../toolkit/cli.ts";
import type { Connection } from "../../toolkit/connection.ts";
import { splitStatements } from "../../toolkit/migrate/statements.ts";
import { runCommand } from "../../toolkit/runbook/commandStep.ts";
import { pageNames, readPages } from "../../toolkit/runbook/pages.ts";
import { type Page, parameterPattern } from "../../toolkit/runbook/parse.ts";
import { createDatabase } from "../support/database.ts";
import { run, temporaryFolder } from "../toolkit/runbook/support.ts";

const pages = await readPages();
const text = (name: string) => readFileSync(`runbooks/${name}.md`, "utf8");
const byName = pages.map((page): [string, Page] => [page.name, page]);

test("every page is in the index, by its symptom and title", () => {
  const rows = Array.from(
    text("README").matchAll(/^\| (.+?) +\| \[(.+)\]\(([\w-]+)\.md\) +\|/gm),
    ([, ...cells]) => cells,
  );
  const declared = pages.map(({ symptom, title, name }) => [symptom, title, name]);
  expect(rows.toSorted()).toEqual(declared.toSorted());
});

test.each([...pages.map(({ name }) => name), "README"])("every link of %s leads somewhere", (name) => {
  const links = Array.from(text(name).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g), ([, path]) => path!);
  expect(links.filter((path) => !existsSync(join("runbooks", path)))).toEqual([]);
});

test.each(byName)(
  "%s: every parameter is used, and every npm script and command that it names exists",
  async (name, page) => {
    const used = new Set(
      page.steps.flatMap(({ text, language, expectations }) =>
        [text, ...expectations.map(({ value }) => String(value))].flatMap((part) =>
          Array.from(part.matchAll(language === "sql" ? parameterPattern : /\$([a-z_]+)/g), ([, found]) => found),
        ),
      ),
    );
    expect(page.parameters.map((parameter) => parameter.name).filter((parameter) => !used.has(parameter))).toEqual([]);
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
    const named = Array.from(text(name).matchAll(/npm run ([a-z]+)/g), ([, script]) => script!);
    expect(named.filter((script) => !scripts[script])).toEqual([]);
    for (const { text } of page.steps.filter(({ language }) => language === "toolkit")) {
      const [name] = text.split(" ");
      const { exit } = await runCommand(`${name} --help`, {}, [{} as Connection, {} as Context], () => {});
      expect([text, exit]).toEqual([text, 0]);
    }
  },
);

test.each(byName)("%s: its SQL is in lower case, and a block that generates statements is one query", (_, page) => {
  for (const { text, title } of page.steps.filter(({ language }) => language === "sql")) {
    const code = text.replace(/'(?:[^']|'')*'/g, "''").replace(/--.*$/gm, "");
    expect([title, code]).toEqual([title, code.toLowerCase()]);
    if (text.includes("\\gexec"))
      expect([title, splitStatements(text).length, text.endsWith("\\gexec")]).toEqual([title, 1, true]);
  }
});

// What has to be given, where the page has no default; nothing of it exists.
const given: Record<string, string> = {
  ...{ role: "nobody", migration: "0000_nothing", into: "to=/nowhere" },
  ...{ instance: "nothing", region: "eu-central-1", to: "nothing-restored", time: "latest" },
  ...{ version: "18.1", parameter_group: "nothing", storage: "200" },
};

test("every statement of every page is accepted by the server: of all pages each reading step, each generated statement", async () => {
  const database = await createDatabase({ template: "head" });
  try {
    await database.client.query(
      "create table deploy.closed_role (role text, connection_limit int, closed_at timestamptz)",
    );
    for (const page of pages) {
      const set = page.parameters
        .filter((parameter) => parameter.default === undefined)
        .map(({ name }) => `${name}=${given[name]}`);
      for (const step of page.steps.filter(({ language }) => language === "sql")) {
        // Each step alone: what it finds does not matter, only that it can be asked.
        const alone = { ...page, steps: [{ ...step, number: 1 }] };
        const { record } = await run(alone, database.connection, {
          dryRun: true,
          set,
          records: await temporaryFolder(),
        });
        expect([page.name, step.title, record.steps[0]!.error]).toEqual([page.name, step.title, null]);
      }
    }
  } finally {
    await database.drop();
  }
});

test("there is a page for each situation that is promised", async () => {
  expect(await pageNames()).toEqual([
    "disk-nearly-full",
    "emergency",
    "emergency-resume",
    "failed-concurrent-index",
    "lock-pile-up",
    "maintenance-not-run",
    "pool-exhausted",
    "rds-major-upgrade",
    "rds-promote-replica",
    "rds-restore-point-in-time",
    "rds-rotate-password",
    "rds-storage-full",
    "replica-lagging",
    "restore-backup",
    "rollback-one",
    "rollback-to",
    "wraparound-near",
  ]);
});
