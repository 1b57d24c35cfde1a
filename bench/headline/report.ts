import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Headline } from "./index.ts";
import { page } from "./page.ts";

const folder = "db_reports";
const pattern = /^headline_(\d+)\.json$/;

/** A run of another size. */
export type Earlier = Headline;

/** The runs of other sizes that are kept in db_reports/. */
export async function readEarlier(headline: Headline): Promise<Earlier[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => pattern.test(name));
  const runs = await Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(folder, name), "utf8")) as Headline),
  );
  return runs.filter(({ sizes }) => sizes.prices !== headline.sizes.prices);
}

/** Writes the result as JSON and as a page. @returns lines that say where */
export async function writeReport(headline: Headline, earlier: Earlier[]): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const name = join(folder, `headline_${headline.sizes.prices}`);
  await writeFile(`${name}.json`, `${JSON.stringify(headline, null, 2)}\n`);
  await writeFile(`${name}.html`, page(headline, earlier));
  return [`${name}.json`, `${name}.html`];
}
