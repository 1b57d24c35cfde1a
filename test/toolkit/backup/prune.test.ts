import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { listBackups, pruneBackups } from "../../../toolkit/backup/backups.ts";
import { listener, makeFolder } from "./support.ts";

const day = 86_400_000;

/** A folder with backups of these ages in days, by name; their data does not matter here. */
async function folderOf(ages: Record<string, number>): Promise<{ kind: "auto"; directory: string }> {
  const directory = await makeFolder();
  for (const [name, age] of Object.entries(ages)) {
    const madeAt = new Date(Date.now() - age * day).toISOString();
    await mkdir(join(directory, name));
    await writeFile(
      join(directory, name, "manifest.json"),
      JSON.stringify({ format: 1, madeAt, bytes: 3 * 1024 ** 2 }),
    );
  }
  return { kind: "auto", directory };
}

const names = async ({ directory }: { directory: string }) => (await readdir(directory)).sort();

test("those beyond the number go, the oldest first", async () => {
  const target = await folderOf({ one: 4, two: 3, three: 2, four: 1 });
  const { lines, say } = listener();
  expect(await pruneBackups(target, { count: 2, days: 14, say })).toEqual(["one", "two"]);
  expect(lines).toEqual(["removed one, 3.0 MB", "removed two, 3.0 MB"]);
  expect(await names(target)).toEqual(["four", "three"]);
});

test("those that are too old go, but never the newest", async () => {
  const target = await folderOf({ ancient: 90, old: 30, newest: 20 });
  expect(await pruneBackups(target, { count: 5, days: 14, say() {} })).toEqual(["ancient", "old"]);
  expect(await names(target)).toEqual(["newest"]);
});

test("the final backups of destroyed servers stay, and do not count", async () => {
  const target = await folderOf({ "final-20200101T000000Z": 900, one: 3, two: 2 });
  expect(await pruneBackups(target, { count: 1, days: 1, say() {} })).toEqual(["one"]);
  expect(await names(target)).toEqual(["final-20200101T000000Z", "two"]);
});

test("what killed runs left half-made goes; a folder that is no backup stays", async () => {
  const target = await folderOf({ one: 1 });
  await mkdir(join(target.directory, ".draft-half"));
  await mkdir(join(target.directory, "mine"));
  expect((await listBackups(target)).map(({ id }) => id)).toEqual(["one"]);
  expect(await pruneBackups(target, { count: 1, days: 14, say() {} })).toEqual([]);
  expect(await names(target)).toEqual(["mine", "one"]);
});

test("a dry run removes nothing", async () => {
  const target = await folderOf({ one: 4, two: 3 });
  const { lines, say } = listener();
  expect(await pruneBackups(target, { count: 1, days: 14, say, dryRun: true })).toEqual(["one"]);
  expect(lines).toEqual(["would remove one, 3.0 MB"]);
  expect(await names(target)).toEqual(["one", "two"]);
});
