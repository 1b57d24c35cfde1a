import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Connection } from "../connection.ts";
import type { PlanNode } from "./measure.ts";
import { type Example, featuresOf } from "./model.ts";

// Enough to learn from; older ones tell of data that has changed since.
const mostExamples = 5_000;

/**
 * Where the measurements of a database are kept from run to run: a file, for the database itself is only read. It holds
 * figures and fingerprints, no statement and no value.
 */
export function historyFile({ host, port, database }: Connection, directory = ".local/advise"): string {
  return join(directory, `${[host, port, database].join("_").replace(/[^\w.-]/g, "-")}.json`);
}

/** The measurements of earlier runs; none where there are none that this version can read. */
export async function readHistory(file: string): Promise<Example[]> {
  const width = featuresOf({ "Node Type": "", "Total Cost": 0, "Plan Rows": 0, "Plan Width": 0 } as PlanNode).length;
  try {
    const examples = JSON.parse(await readFile(file, "utf8")) as Example[];
    return examples.filter(({ features, ms }) => features.length === width && ms > 0);
  } catch {
    return [];
  }
}

/** Keeps the measurements, the latest last. */
export async function writeHistory(file: string, examples: readonly Example[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, JSON.stringify(examples.slice(-mostExamples)), { mode: 0o600 });
  await rename(partial, file);
}
