import { createHash } from "node:crypto";
import type pg from "pg";
import { kinds, scope } from "./catalog.ts";

// What PostgreSQL prints of a definition hangs on these: names, and constants of dates, times, numbers and bytes.
const settings = {
  search_path: "''",
  timezone: "'UTC'",
  datestyle: "'ISO, YMD'",
  intervalstyle: "postgres",
  extra_float_digits: "1",
  bytea_output: "hex",
  quote_all_identifiers: "off",
};

// One round trip: the settings hold for this text, which PostgreSQL runs as one transaction.
const query = `
  ${Object.entries(settings)
    .map(([name, value]) => `set local ${name} to ${value};`)
    .join("\n  ")}
  with ${scope}
  ${Object.entries(kinds)
    .map(([kind, sql]) => `select '${kind} ' || line as line from (${sql}) as "${kind}"`)
    .join("\n  union all\n  ")}`;

/**
 * Describes the schema of a database, one entry per object, sorted; an entry may have several lines. Two databases whose
 * migrations are the same give the same, whatever data they hold.
 * @param client a session outside any transaction
 */
export async function schemaLines(client: pg.ClientBase): Promise<string[]> {
  // Several statements give several results, which pg's types do not know.
  const results = (await client.query(query)) as unknown as pg.QueryResult<{ line: string }>[];
  return results
    .at(-1)!
    .rows.map(({ line }) => line)
    .sort();
}

/** The SHA-256 of {@link schemaLines}, in hex. */
export async function fingerprint(client: pg.ClientBase): Promise<string> {
  return fingerprintOf(await schemaLines(client));
}

/** The fingerprint of lines that were read before. */
export function fingerprintOf(lines: readonly string[]): string {
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}
