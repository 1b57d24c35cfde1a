import type { Backup } from "./backup.ts";

/**
 * What a snapshot records, as tags. A value has 256 characters of letters, digits, spaces and _.:/=+-@, and there are
 * fifty tags; rows are spread over as many as are left, `table=rows`, or `table=rows:fewest:most`. A table whose name does not
 * fit, or for which there is no room, is left out, and is not compared then.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html
 */
export interface Tag {
  Key?: string | undefined;
  Value?: string | undefined;
}

const prefix = "postgres-from-code:";
const valueLength = 256;
const rowTags = 36;
const notAllowed = /[^\p{L}\p{N} _.:/=+\-@]/gu;

type Recorded = Omit<Backup, "id" | "method" | "bytes">;

const texts = [
  "reason",
  "startedAt",
  "finishedAt",
  "serverVersion",
  "systemIdentifier",
  "database",
  "fingerprint",
  "head",
] as const satisfies readonly (keyof Recorded)[];

/** The tags of what is known; empty texts are left out. */
export function toTags(recorded: Partial<Recorded>): Tag[] {
  const tags = texts.flatMap((key) => {
    const value = recorded[key]?.replace(notAllowed, "-").slice(0, valueLength);
    return value ? [{ Key: prefix + key, Value: value }] : [];
  });
  return [...tags, ...rowsToTags(recorded.rows ?? {}, recorded.bounds ?? {})];
}

function rowsToTags(rows: Backup["rows"], bounds: Backup["bounds"]): Tag[] {
  const values: string[] = [];
  for (const [table, count] of Object.entries(rows)) {
    if (/[^\p{L}\p{N}_.]/u.test(table)) continue;
    const entry = `${table}=${[count, ...(bounds[table] ?? [])].join(":")}`;
    const last = values.at(-1);
    if (last !== undefined && last.length + 1 + entry.length <= valueLength)
      values[values.length - 1] = `${last} ${entry}`;
    else if (values.length < rowTags && entry.length <= valueLength) values.push(entry);
  }
  return values.map((Value, index) => ({ Key: `${prefix}rows-${index + 1}`, Value }));
}

/** Reads them back; undefined for a snapshot that is not of this making. */
export function fromTags(tags: readonly Tag[]): Recorded | undefined {
  const values = new Map(tags.map(({ Key = "", Value = "" }) => [Key, Value]));
  if (!values.has(`${prefix}startedAt`)) return undefined;
  const recorded: Recorded = {
    ...(Object.fromEntries(texts.map((key) => [key, values.get(prefix + key) ?? ""])) as Record<
      (typeof texts)[number],
      string
    >),
    rows: {},
    bounds: {},
  };
  for (const [key, value] of values) {
    if (!key.startsWith(`${prefix}rows-`)) continue;
    for (const entry of value.split(" ")) {
      const [table = "", counts = ""] = entry.split("=");
      const [count = 0, fewest, most] = counts.split(":").map(Number);
      recorded.rows[table] = count;
      if (fewest !== undefined && most !== undefined) recorded.bounds[table] = [fewest, most];
    }
  }
  return recorded;
}
