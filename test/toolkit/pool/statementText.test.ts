import { expect, test } from "@jest/globals";
import { forPeople, withoutLiterals } from "../../../toolkit/pool/statementText.ts";

test.each([
  ["select 'a', E'b\\'c', $1 from t", "select '…', '…', $1 from t"],
  [`update "a'b" set x = 'secret' where "c""d" = 'e''f'`, `update "a'b" set x = '…' where "c""d" = '…'`],
  ["do $x$ begin perform 'secret'; end $x$", "do '…'"],
  ["select 'not closed", "select '…'"],
])("of %j no literal is left, and every name", (text, expected) => {
  expect(withoutLiterals(text)).toBe(expected);
});

test("a long statement is one short line for people", () => {
  expect(forPeople(`select\n  ${"x, ".repeat(60)}y`)).toMatch(/^select x, .{89}…$/);
});
