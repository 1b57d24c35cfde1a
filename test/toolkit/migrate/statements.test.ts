import { expect, test } from "@jest/globals";
import { builtIndex, droppedIndex } from "../../../toolkit/migrate/render.ts";
import { splitStatements } from "../../../toolkit/migrate/statements.ts";

const texts = (sql: string) => splitStatements(sql).map(({ text }) => text);

test.each([
  ["a plain semicolon", "select 1; select 2", ["select 1", "select 2"]],
  ["a semicolon in a string", "select ';'';'; select 2", ["select ';'';'", "select 2"]],
  [
    "an escaped quote in an escape string",
    String.raw`select E'\';'; select 2`,
    [String.raw`select E'\';'`, "select 2"],
  ],
  ["a backslash in a standard string", String.raw`select '\'; select 2`, [String.raw`select '\'`, "select 2"]],
  ["a semicolon in a quoted name", 'select ";"; select 2', ['select ";"', "select 2"]],
  ["a function body", "do $x$ begin; end $x$; select $$;$$", ["do $x$ begin; end $x$", "select $$;$$"]],
  ["a dollar inside a name", "select a$1 from b$c$; select 2", ["select a$1 from b$c$", "select 2"]],
  [
    "the body of an SQL-standard function",
    "create function f() returns int begin atomic select case when true then 1 end; select 'end;'; end; begin; end",
    [
      "create function f() returns int begin atomic select case when true then 1 end; select 'end;'; end",
      "begin",
      "end",
    ],
  ],
  ["comments alone", "-- one;\n/* two; /* three; */ */ ;", []],
  ["a comment before a statement", "-- one;\nselect 1", ["-- one;\nselect 1"]],
])("statements are split as psql does: %s", (_what, sql, expected) => {
  expect(texts(sql)).toEqual(expected);
});

test("a statement knows its line", () => {
  expect(splitStatements("select 1;\n\n  select 2;").map(({ line }) => line)).toEqual([1, 3]);
});

test.each([
  ["select 1;\nselect 'a", "a string is not closed", 2],
  ['select "a', "a quoted name is not closed", 1],
  ["\n\ndo $x$ begin $y$", "a dollar-quoted string is not closed", 3],
  ["select 1 /* /* */", "a comment is not closed", 1],
])("what is not closed is named, with its line: %j", (sql, message, line) => {
  expect(() => splitStatements(sql)).toThrow(expect.objectContaining({ message, line }));
});

test.each([
  ["create index concurrently a on t (x)", { schema: "public", name: "a", table: "t", unique: false }],
  [
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS A ON ONLY s.T using btree (x) where y > 0;\n",
    { schema: "s", name: "a", table: "t", unique: true, definition: " using btree (x) where y > 0" },
  ],
  ['-- why\ncreate index concurrently "A ""b" on "S".t (x)', { schema: "S", name: 'A "b', definition: " (x)" }],
  ["create index concurrently on t (x)", { schema: "public", name: "" }],
])("the index that a statement builds concurrently is found: %s", (sql, expected) => {
  expect(builtIndex(sql)).toMatchObject(expected);
});

test.each(["create index a on t (x)", "drop index concurrently a"])("no index is built concurrently by %s", (sql) => {
  expect(builtIndex(sql)).toBeUndefined();
});

test.each([
  ["drop index concurrently a", { schema: "public", name: "a" }],
  ['DROP INDEX CONCURRENTLY IF EXISTS "S".A cascade;', { schema: "S", name: "a" }],
  ["drop index a", undefined],
  ["drop index concurrently a, b", undefined],
])("the index that a statement drops concurrently is found: %s", (sql, expected) => {
  expect(droppedIndex(sql)).toEqual(expected);
});
