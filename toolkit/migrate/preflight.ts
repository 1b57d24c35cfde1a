import type pg from "pg";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { problem } from "./files.ts";
import { type PreflightCheck, preflightChecks } from "./preflightChecks.ts";
import { type DiskLimits, diskFindings } from "./preflightDisk.ts";

/** Something that speaks against migrating now. */
export interface PreflightFinding {
  name: string;
  /** True: nothing is migrated. False: it is told. */
  stops: boolean;
  what: string;
  why: string;
  fix: string;
}

/** Other thresholds than those of the table, by the name of the check. */
export interface PreflightOptions {
  thresholds?: Readonly<Record<string, { warn?: number; stop?: number }>>;
  disk?: DiskLimits;
}

// A disk that is nine tenths full is when PostgreSQL's file systems begin to fragment, and when people are woken.
const defaultDisk: DiskLimits = { spare: 0.1 };

/**
 * Looks whether now is a time to change a database. Only reads.
 * @param statements what is going to be sent
 * @returns every finding
 */
export async function lookBefore(
  client: pg.ClientBase,
  connection: Connection,
  statements: readonly string[],
  say: (line: string) => void,
  options: PreflightOptions = {},
): Promise<PreflightFinding[]> {
  const found: PreflightFinding[] = [];
  for (const check of preflightChecks) found.push(...(await findingsOf(client, check, options)));
  return [...found, ...(await diskFindings(client, connection, statements, options.disk ?? defaultDisk, say))];
}

/**
 * {@link lookBefore}, telling the warnings.
 * @returns the number of warnings
 * @throws UserError that lists everything that stops
 */
export async function preflight(
  client: pg.ClientBase,
  connection: Connection,
  statements: readonly string[],
  say: (line: string) => void,
  options: PreflightOptions = {},
): Promise<number> {
  const found = await lookBefore(client, connection, statements, say, options);
  const stops = found.filter((finding) => finding.stops);
  const warnings = found.filter((finding) => !finding.stops);
  for (const { what, why } of warnings) say(`warning: ${what}. ${why}`);
  if (stops.length > 0)
    throw new UserError(
      [
        "nothing was touched, for now is no time to migrate:",
        ...stops.map(({ what, why, fix }) => problem(what, why, fix)),
      ].join("\n"),
    );
  return warnings.length;
}

async function findingsOf(
  client: pg.ClientBase,
  check: PreflightCheck,
  { thresholds = {} }: PreflightOptions,
): Promise<PreflightFinding[]> {
  const { warn = Number.POSITIVE_INFINITY, stop = Number.POSITIVE_INFINITY } = { ...check, ...thresholds[check.name] };
  const { rows } = await client.query(check.sql);
  return rows
    .filter(({ value }) => value !== null && value >= Math.min(warn, stop))
    .map((row) => {
      const stops = row.value >= stop;
      const { what, why, fix } = check.message(row);
      return { name: check.name, stops, what, why: `${why} (${check.page})`, fix };
    });
}
