import { expect, test } from "@jest/globals";
import { judge, type Outcome, parseExpectation } from "../../../toolkit/runbook/expectations.ts";

const nothing: Outcome = { columns: [], rows: [], exit: 0, output: "" };
const rows = (...rows: Record<string, unknown>[]): Outcome => ({ ...nothing, columns: Object.keys(rows[0]!), rows });

function verdict(text: string, outcome: Outcome, values = {}) {
  const expectation = parseExpectation(text, (what) => {
    throw new Error(what);
  });
  return judge([expectation], outcome, values)[0]!;
}

test.each<[text: string, outcome: Outcome, met: boolean, found: string]>([
  ["rows = 0", nothing, true, "rows is 0"],
  ["rows >= 2", rows({ a: 1 }), false, "rows is 1"],
  ["a = 3", rows({ a: 3 }), true, "a is 3"],
  ["a = 3", rows({ a: 3 }, { a: 4 }), false, "a is 4"],
  ["a = 3", { ...nothing, columns: ["a"] }, true, "in every row"],
  ["b = 3", rows({ a: 3 }), false, "there is no column b"],
  // bigint and numeric arrive as text, and 9 is less than 10.
  ["a < 10", rows({ a: "9" }), true, "a is 9"],
  ["a > 10", rows({ a: "9" }), false, "a is 9"],
  ["a = 1.5", rows({ a: "1.50" }), true, "a is 1.50"],
  ["a = true", rows({ a: false }), false, "a is false"],
  ["a = null", rows({ a: null }), true, "a is null"],
  ["a != true", rows({ a: null }), true, "a is null"],
  ["a > 0", rows({ a: null }), false, "a is null"],
  ["a = 0", rows({ a: null }), false, "a is null"],
  ["a = 'b c'", rows({ a: "b c" }), true, "a is b c"],
  ["a ~ /^b/", rows({ a: "b c" }), true, "a is b c"],
  ["a !~ /^b/", rows({ a: "b c" }), false, "a is b c"],
  ["a = $wanted", rows({ a: 7 }), true, "a is 7"],
  ["rows = $wanted", rows({ a: 7 }), false, "rows is 1"],
  ["exit = 2", { ...nothing, exit: 2 }, true, "exit is 2"],
  ["output ~ /^done$/", { ...nothing, output: "not yet\ndone\n" }, true, "the output is so"],
  ["output ~ /DONE/i", { ...nothing, output: "done" }, true, "the output is so"],
  ["output !~ /error/", { ...nothing, output: "an error" }, false, "the output is not so"],
])("%s of %j: %s", (text, outcome, met, found) => {
  expect(verdict(text, outcome, { wanted: "7" })).toEqual({
    expectation: text.replace("$wanted", "7"),
    met,
    found,
  });
});

test("a command that fails is a surprise, also where nothing is said of its exit code", () => {
  expect(judge([], { ...nothing, exit: 1 }, {})).toEqual([{ expectation: "exit = 0", met: false, found: "exit is 1" }]);
});
