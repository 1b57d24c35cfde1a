import { afterEach, beforeEach, jest } from "@jest/globals";
import { type DeployOptions, deploy } from "../../../../toolkit/migrate/deploy.ts";
import { makeDatabase, makeFolder } from "../support.ts";
import { optionsFor, rememberedBackups } from "./options.ts";

export { optionsFor, rememberedBackups } from "./options.ts";

/** A database with migrations applied, and what a next `up` does and says. */
export async function deployed(files: Record<string, string>, options: Partial<DeployOptions> = {}) {
  const database = await makeDatabase();
  const folder = await makeFolder(files);
  const backups = rememberedBackups();
  const lines: string[] = [];
  const up = (more: Partial<DeployOptions> = {}) =>
    deploy(database.connection, optionsFor(folder, { backups, say: (line) => lines.push(line), ...options, ...more }));
  const first = await up();
  lines.length = 0;
  return { ...database, folder, backups, lines, up, first };
}

/** What each test's commands print, in place of printing it. */
export function captureOutput(): { stdout: string; stderr: string } {
  const output = { stdout: "", stderr: "" };
  beforeEach(() => {
    for (const stream of ["stdout", "stderr"] as const) {
      output[stream] = "";
      jest.spyOn(process[stream], "write").mockImplementation((text) => {
        output[stream] += String(text);
        return true;
      });
    }
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });
  return output;
}
