import { expect, test } from "@jest/globals";
import { type Digest, reportOf } from "../../../infra/engine/digest.ts";
import { render } from "../../../infra/engine/markdown.ts";
import { fenced, text } from "../../../infra/engine/markdownText.ts";
import type { Report } from "../../../infra/engine/report.ts";

const urn = (name: string, type = "aws:rds/instance:Instance") => `urn:pulumi:prod::database::${type}::${name}`;

const state = (name: string, inputs: Record<string, unknown>, type?: string) => ({ urn: urn(name, type), inputs });

/** What `pulumi preview --json` prints, shortened. */
const digest: Digest = {
  config: { "aws:region": "us-east-1" },
  steps: [
    { op: "same", urn: urn("default", "pulumi:providers:aws"), newState: state("default", {}, "pulumi:providers:aws") },
    { op: "same", urn: urn("kept", "aws:kms/key:Key"), newState: state("kept", {}, "aws:kms/key:Key") },
    { op: "create", urn: urn("new", "x:y:New"), newState: state("new", { a: 1, b: [2] }, "x:y:New") },
    {
      op: "update",
      urn: urn("server"),
      oldState: state("server", { instanceClass: "db.r7g.large", tags: { a: "1" } }),
      newState: state("server", { instanceClass: "db.r7g.xlarge", tags: { a: "2" } }),
      detailedDiff: { instanceClass: { kind: "update" }, "tags.a": { kind: "update" } },
    },
    { op: "create-replacement", urn: urn("moved", "x:y:Z"), newState: state("moved", { zone: "b" }, "x:y:Z") },
    {
      op: "replace",
      urn: urn("moved", "x:y:Z"),
      oldState: state("moved", { zone: "b" }, "x:y:Z"),
      newState: state("moved", { zone: "b" }, "x:y:Z"),
      replaceReasons: ["arn"],
    },
    { op: "delete-replaced", urn: urn("moved", "x:y:Z"), oldState: state("moved", { zone: "b" }, "x:y:Z") },
    { op: "delete", urn: urn("gone", "x:y:Old"), oldState: state("gone", { a: 1 }, "x:y:Old") },
  ],
  diagnostics: [{ severity: "warning", message: "something is deprecated" }],
};

test("a preview of Pulumi's own engine is told by resource, the dangerous first, providers left out", () => {
  const comment = render(reportOf("prod", digest, false), "### Migrations: 1 of 22 pending");
  const rows = comment.split("\n").filter((line) => /^\| `[+~-]/.test(line));
  expect(rows).toEqual([
    "| `-` | **delete** | `gone` | `x:y:Old` |  |",
    "| `+-` | **replace** | `moved` | `x:y:Z` | `arn` |",
    "| `~` | update | `server` | `aws:rds.Instance` | `instanceClass`, `tags` |",
    "| `+` | create | `new` | `x:y:New` | 2 new |",
  ]);
  expect(comment).toContain(
    "### Infrastructure: 1 to **delete**, 1 to **replace**, 1 to update, 1 to create, 1 unchanged",
  );
  expect(comment).toContain("! instanceClass: db.r7g.large => db.r7g.xlarge");
  expect(comment).toContain("### Migrations: 1 of 22 pending");
  expect(comment).toContain("| **mandatory** | `storage-encrypted` | `server` |");
  expect(comment).toContain("db.r7g.xlarge, $0.478 an hour");
  expect(comment).toContain("**warning**\n\n```\nsomething is deprecated\n```");
});

test("a preview that failed says so, with the error, and judges nothing of what it did not see", () => {
  const diagnostics = [{ severity: "error", message: "no such region" }];
  const comment = render(reportOf("prod", { ...digest, diagnostics }, true), "");
  expect(comment).toMatch(
    /^<!-- preview of stack prod -->\n\n## Preview of stack `prod`: failed\n[\s\S]*no such region/,
  );
  expect(comment).not.toMatch(/Policies|Monthly cost/);
});

const report = (changes: Report["steps"][number]["changes"]): Report => ({
  ...reportOf("prod", {}, false),
  steps: [{ op: "update", urn: urn("server"), changes }],
});

test("a value that looks like a secret and lies open does not get into a public comment", () => {
  const comment = render(
    report([
      { path: "password", kind: "add", after: "geheim" },
      { path: "nested.apiToken", kind: "update", before: "geheim", after: "[secret]" },
      { path: "options", kind: "add", after: { url: "postgres://u:geheim@db/x" } },
    ]),
    "",
  );
  expect(comment).not.toContain("geheim");
  expect(comment).toContain("+ password: [hidden: in plain text]");
});

const longReport = (steps: number): Report => {
  const one = report([{ path: "note", kind: "add", after: "x".repeat(150) }]);
  return { ...one, steps: Array.from({ length: steps }, () => one.steps[0]!) };
};
const sqlOf = (name: string, length: number) =>
  `<details><summary><code>${name}</code></summary>${"y".repeat(length)}</details>`;

test("a comment that is too long loses the longest SQL, says whose, and keeps the properties", () => {
  const sql = ["### Migrations", sqlOf("0001_short", 100), sqlOf("0002_long", 40_000), "end"].join("\n\n");
  const comment = render(longReport(100), sql);
  expect(comment.length).toBeLessThanOrEqual(60_000);
  expect(comment).toContain("Every property");
  expect(comment).toContain(`### Migrations\n\n${sqlOf("0001_short", 100)}\n\nend`);
  expect(comment.split("\n").at(-1)).toBe(
    "Shortened for a comment, without the SQL of `0002_long` (`npm run toolkit -- plan` shows it).",
  );
});

test("a comment that is still too long loses the properties, and stays whole", () => {
  const sql = `### Migrations\n\n${sqlOf("0001_long", 40_000)}\n\nend`;
  const [short, shorter] = [render(longReport(400), "### Migrations"), render(longReport(400), sql)];
  for (const comment of [short, shorter]) {
    expect(comment.length).toBeLessThanOrEqual(60_000);
    expect(comment).not.toContain("Every property");
    expect(comment).toContain("every property (`npm run preview -- --stack prod --diff` shows them).");
  }
  expect(shorter).not.toContain("yyy");
  expect(shorter).toContain("### Migrations\n\nend");
});

test("text from elsewhere is neither markup, nor a mention, nor the end of a block", () => {
  expect(text("a|b <img> `c` @someone\n*d*")).toBe("a\\|b \\<img\\> \\`c\\` @\u200bsomeone \\*d\\*");
  expect(fenced("sql", "select '````';")).toBe("`````sql\nselect '````';\n`````");
});
