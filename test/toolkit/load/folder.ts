import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, jest } from "@jest/globals";

/** A folder of each test's own, and what the loader says meanwhile; the folder's name is cut from that. */
export interface TestFolder {
  path(name: string): string;
  /** Writes a file of lines. */
  write(name: string, ...lines: string[]): string;
  lines(name: string): string[];
  told(): string;
  /** A text without the folder's name. */
  cut(text: string): string;
}

/** Gives every test of a file a folder, and removes it afterwards. */
export function useFolder(): TestFolder {
  let [folder, told] = ["", ""];
  const cut = (text: string) => text.replaceAll(`${folder}/`, "");
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "load-"));
    told = "";
    jest.spyOn(process.stderr, "write").mockImplementation((text) => {
      told += text;
      return true;
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });
  return {
    path: (name) => join(folder, name),
    write(name, ...lines) {
      writeFileSync(join(folder, name), lines.map((line) => `${line}\n`).join(""));
      return join(folder, name);
    },
    lines: (name) => readFileSync(join(folder, name), "utf8").split("\n"),
    told: () => cut(told),
    cut,
  };
}
