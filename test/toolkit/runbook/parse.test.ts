import { expect, test } from "@jest/globals";
import { parsePage } from "../../../toolkit/runbook/parse.ts";
import { otherwise, page, pageText, risk, sql, step } from "./support.ts";

test("a step is its heading, its paragraph, its block and its list", () => {
  const expected = "**Expect**: `rows >= 1` and `valid = true` (not `this`)";
  const { steps } = page([
    "## For people\n\nNothing runs here:\n\n```console\npsql\n```\n",
    step(
      sql("select 1\n## no heading", "changes", "waits"),
      [expected, "**Risk**: it takes\n  time.", otherwise],
      "Do it",
    ),
  ]);
  expect(steps).toEqual([
    {
      number: 1,
      title: "Do it",
      why: "Why it is so.",
      language: "sql",
      text: "select 1\n## no heading",
      changes: true,
      waits: true,
      expectations: [
        { text: "rows >= 1", subject: "rows", operator: ">=", value: 1 },
        { text: "valid = true", subject: "valid", operator: "=", value: true },
      ],
      risk: "it takes time.",
      otherwise: "see [the other page](other.md).",
    },
  ]);
});

const good = "**Expect**: `rows = 0`";
test.each<[what: string, text: string, message: string]>([
  ["no YAML", "# A page\n\nText.\n", "it does not begin with a title and a block of YAML"],
  ["no title", "```yaml\nsymptom: A\nneeds: B\n```\n", "it does not begin with a title and a block of YAML"],
  ["no needs", "# A\n\n```yaml\nsymptom: A\n```\n", "its YAML lacks symptom or needs"],
  ["a mistyped key", "# A\n\n```yaml\nsympton: A\nneeds: B\n```\n", "its YAML has an unknown key sympton"],
  ["no step", pageText([]), "it has no step"],
  ["no expectation", pageText([step(sql("select 1"), [otherwise])]), '"A step" lacks Expect or Otherwise'],
  ["no way on", pageText([step(sql("select 1"), [good])]), '"A step" lacks Expect or Otherwise'],
  [
    "a change without a risk",
    pageText([step(sql("select 1", "changes"), [good, otherwise])]),
    '"A step" changes something and lacks Risk',
  ],
  [
    "prose alone as expectation",
    pageText([step(sql("select 1"), ["**Expect**: all is well", otherwise])]),
    '"A step" expects nothing that can be checked',
  ],
  [
    "an expectation that is none",
    pageText([step(sql("select 1"), ["**Expect**: `rows is 1`", otherwise])]),
    "`rows is 1` is no expectation",
  ],
  [
    "a bare word as value",
    pageText([step(sql("select 1"), ["**Expect**: `a = yes`", otherwise])]),
    "`a = yes` compares with something that is no value",
  ],
  [
    "~ without a pattern",
    pageText([step(sql("select 1"), ["**Expect**: `a ~ 'b'`", otherwise])]),
    "`a ~ 'b'`: ~ and /…/ go together",
  ],
  [
    "an unknown attribute",
    pageText([step(sql("select 1", "chnages"), [good, otherwise])]),
    '"A step" has an unknown attribute chnages',
  ],
  [
    "two blocks in one step",
    pageText([step(`${sql("select 1")}\n\n${sql("select 2")}`, [good, otherwise])]),
    '"A step" has more than one block that runs',
  ],
  [
    "an unknown parameter",
    pageText([step(sql("select $that"), [good, otherwise])]),
    '"A step" uses $that, which is no parameter',
  ],
  [
    "an unknown parameter in an expectation",
    pageText([step(sql("select 1"), ["**Expect**: `a = $that`", otherwise])]),
    '"A step" uses $that, which is no parameter',
  ],
  [
    "a parameter without a description",
    pageText([step(sql("select 1"), [good, otherwise])], { a: { default: 1 } }),
    "the parameter a has no description",
  ],
])("%s: the page is refused", (_, text, message) => {
  expect(() => parsePage(text, "runbooks/own.md")).toThrow(
    `runbooks/own.md: ${message}\n  fix: Correct the page as runbooks/README.md describes it.`,
  );
});

test("what stands in strings, comments and quoted names is no parameter", () => {
  const text = `select '$a', "$b", $$ $c $$ -- $d\n/* $e */`;
  expect(page([step(sql(text, "changes"), [good, risk, otherwise])]).steps[0]!.text).toBe(text);
});
