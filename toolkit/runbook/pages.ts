import { readdir } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { type Page, pagesFolder, readPage } from "./parse.ts";

const index = "README.md";

/** The names of all pages, in the order of the alphabet. */
export async function pageNames(folder: string = pagesFolder): Promise<string[]> {
  const files = await readdir(folder).catch(() => []);
  return files
    .filter((file) => file.endsWith(".md") && file !== index)
    .map((file) => file.slice(0, -".md".length))
    .sort();
}

/** All pages. */
export async function readPages(folder: string = pagesFolder): Promise<Page[]> {
  return Promise.all((await pageNames(folder)).map((name) => readPage(name, folder)));
}

/**
 * The page of a name.
 * @throws UserError (exit code 2) with the list of those that exist, where there is none of that name
 */
export async function findPage(name: string): Promise<Page> {
  if ((await pageNames()).includes(name)) return readPage(name);
  throw new UserError(`there is no runbook "${name}"`, {
    fix: `Use one of these:\n${(await listLines()).join("\n")}`,
    exitCode: 2,
  });
}

/** The pages by symptom, a line each. */
export async function listLines(): Promise<string[]> {
  const pages = await readPages();
  const width = Math.max(...pages.map(({ name }) => name.length), 0);
  return pages.map(({ name, symptom }) => `  ${name.padEnd(width)}  ${symptom}`);
}
