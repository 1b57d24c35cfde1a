import { expect, test } from "@jest/globals";
import { commandWords } from "../../../toolkit/runbook/commandStep.ts";
import { type Parameter, valuesOf } from "../../../toolkit/runbook/parameters.ts";
import { bind } from "../../../toolkit/runbook/sql.ts";

const parameters: Parameter[] = [
  { name: "role", description: "who", type: "text" },
  { name: "seconds", description: "how long", default: "5", type: "number" },
];

test("defaults are taken where nothing is set, and a value may hold anything", () => {
  expect(valuesOf(parameters, ["role=a=b'; drop"])).toEqual({ role: "a=b'; drop", seconds: "5" });
  expect(valuesOf(parameters, ["role=", "seconds=0.5"])).toEqual({ role: "", seconds: "0.5" });
});

test.each([
  [[], "the runbook needs role\n  fix: Give it:\n    --set role=…   who"],
  [
    ["rule=a"],
    "--set rule=a: there is no parameter rule\n  fix: Give it:\n    --set role=…   who\n    --set seconds=5   how long",
  ],
  [["role"], "--set role: it has no name=\n  fix: Give it:\n    --set role=…   who\n    --set seconds=5   how long"],
  [
    ["role=a", "seconds=soon"],
    "--set seconds=soon: seconds is a number\n  fix: Give it:\n    --set seconds=5   how long",
  ],
])("%j is refused", (given, message) => {
  expect(() => valuesOf(parameters, given)).toThrow(message);
});

test("parameters go to the server apart from the text", () => {
  const values = { role: "x'; drop table t; --", seconds: "5" };
  expect(bind("select $role, '$role', $seconds::int -- $role\n, $role", values)).toEqual({
    text: "select $1, '$role', $2::int -- $role\n, $1",
    values: [values.role, "5"],
  });
});

test("a parameter stays one word of a command", () => {
  expect(commandWords("rollback --to $role\n  --say=$role", { role: "a b; c" })).toEqual([
    "rollback",
    "--to",
    "a b; c",
    "--say=a b; c",
  ]);
});
