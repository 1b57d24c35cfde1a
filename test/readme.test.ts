import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";

const readme = readFileSync("README.md", "utf8");

test("the README tells every key of the configuration as Pulumi.yaml does", () => {
  const { config } = parse(readFileSync("Pulumi.yaml", "utf8")) as { config: Record<string, { description: string }> };
  const rows = readme.split("\n").filter((line) => /^\| `\w+` +\| /.test(line));
  const told = rows.map((row) => row.split("|").map((cell) => cell.trim())).map(([, key, , what]) => [key, what]);
  const declared = Object.entries(config).map(([key, { description }]) => [`\`${key}\``, description]);
  expect(told).toEqual(expect.arrayContaining(declared));
});

test("every npm script that the README names exists, and every link leads somewhere", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const named = new Set(Array.from(readme.matchAll(/npm (?:run (?:-s )?)([a-z]+)/g), ([, name]) => name!));
  expect([...named].filter((name) => !scripts[name])).toEqual([]);
  const links = Array.from(readme.matchAll(/\]\((?!https?:|#)([^)]+)\)/g), ([, path]) => path!);
  expect(links.length).toBeGreaterThan(3);
  expect(links.filter((path) => !existsSync(path.replace(/#.*$/, "")))).toEqual([]);
});
