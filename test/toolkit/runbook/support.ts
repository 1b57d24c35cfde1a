import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "@jest/globals";
import type { Connection } from "../../../toolkit/connection.ts";
import { valuesOf } from "../../../toolkit/runbook/parameters.ts";
import { type Page, parsePage } from "../../../toolkit/runbook/parse.ts";
import type { RunRecord } from "../../../toolkit/runbook/record.ts";
import { type RunOptions, runPage } from "../../../toolkit/runbook/run.ts";

/** A run, what it said, and where its records are. */
export interface Rehearsed {
  record: RunRecord;
  said: string;
  folder: string;
}

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** A folder that goes with the test file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "runbook-"));
  folders.push(folder);
  return folder;
}

/** Runs a page as `--yes` does, unless the options say otherwise. */
export async function run(
  page: Page,
  connection: Connection,
  options: Partial<RunOptions> & { set?: string[] } = {},
): Promise<Rehearsed> {
  const { set = [], ...rest } = options;
  const lines: string[] = [];
  const folder = await temporaryFolder();
  const record = await runPage(page, {
    connection,
    context: { backup: { kind: "auto", directory: folder } },
    values: valuesOf(page.parameters, set),
    confirm: async () => "yes",
    say: (line) => lines.push(line),
    records: folder,
    ...rest,
  });
  return { record, said: lines.join("\n"), folder };
}

/** One step of a page that a test writes. */
export function step(block: string, notes: string[], title = "A step"): string {
  return `## ${title}\n\nWhy it is so.\n\n${block}\n\n${notes.map((note) => `- ${note}`).join("\n")}\n`;
}

/** A page of a test's own. */
export function page(steps: string[], parameters: Record<string, unknown> = {}): Page {
  return parsePage(pageText(steps, parameters), "runbooks/own.md");
}

export function pageText(steps: string[], parameters: Record<string, unknown> = {}): string {
  const head = ["symptom: Something is wrong", "needs: nothing", `parameters: ${JSON.stringify(parameters)}`];
  return `# A page\n\nWhat it is about.\n\n\`\`\`yaml\n${head.join("\n")}\n\`\`\`\n\n${steps.join("\n")}`;
}

/** Fenced SQL. */
export function sql(text: string, ...attributes: string[]): string {
  return `\`\`\`${["sql", ...attributes].join(" ")}\n${text}\n\`\`\``;
}

export const otherwise = "**Otherwise**: see [the other page](other.md).";
export const risk = "**Risk**: none.";
