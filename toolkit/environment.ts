import type { BackupTarget } from "./backup/target.ts";
import type { Context } from "./cli.ts";
import { type Connection, parseConnectionString } from "./connection.ts";
import { messageOf, UserError } from "./errors.ts";

/** Variables of a process, as process.env holds them. */
export type Variables = Record<string, string | undefined>;

/**
 * The database of a host that has no stack, such as a container: that of DATABASE_URL, or of libpq's variables, by which
 * a password comes in a variable of its own, as a container's secret does. PGHOST, PGUSER and the rest mean what they mean
 * to psql, but for two: nothing is guessed from the user of the system, and PGSSLMODE takes the modes of a URL.
 * @throws UserError where neither is set, or not all of it
 * @see https://www.postgresql.org/docs/current/libpq-envars.html
 */
export function connectionFromEnvironment(variables: Variables): Connection {
  const { DATABASE_URL, PGHOST, PGPORT, PGUSER, PGPASSWORD = "", PGDATABASE, PGSSLMODE, PGSSLROOTCERT } = variables;
  if (DATABASE_URL) return parseConnectionString(DATABASE_URL);
  if (!PGHOST)
    throw new UserError("there is no database to talk to: neither DATABASE_URL nor PGHOST is set", {
      fix: "Set DATABASE_URL, or PGHOST, PGUSER, PGPASSWORD and PGDATABASE; or use `npm run toolkit -- …`, which takes the database of the stack.",
      exitCode: 2,
    });
  if (!PGUSER || PGHOST.startsWith("/"))
    throw new UserError(PGUSER ? `PGHOST=${PGHOST} is a folder` : "PGHOST is set, and PGUSER is not", {
      fix: PGUSER ? "Name a host: sockets of a folder are not used here." : "Set PGUSER, too.",
      exitCode: 2,
    });
  if (PGPORT && !/^\d{1,5}$/.test(PGPORT))
    throw new UserError(`PGPORT=${PGPORT} is not a port`, { fix: "Give a number.", exitCode: 2 });
  const tls = new URLSearchParams({
    ...(PGSSLMODE && { sslmode: PGSSLMODE }),
    ...(PGSSLROOTCERT && { sslrootcert: PGSSLROOTCERT }),
  });
  const host = PGHOST.includes(":") ? `[${PGHOST}]` : PGHOST;
  const [user, password, database] = [PGUSER, PGPASSWORD, PGDATABASE || PGUSER].map(encodeURIComponent);
  return parseConnectionString(`postgres://${user}:${password}@${host}:${PGPORT || 5432}/${database}?${tls}`);
}

const localBackups: BackupTarget = { kind: "auto", directory: ".local/backups" };

/**
 * What a host without a stack knows beside its database: TOOLKIT_CONTEXT, a JSON object like the outputs of a stack,
 * {"backup": {"kind": "rds", "instanceIdentifier": …, "region": …}, "keptBackups": {"count": 5, "days": 14}, "thresholds": {…}}.
 * What it leaves out is as for DATABASE_URL alone: backups on this machine, none of them removed.
 * @throws UserError where it is not such an object
 */
export function contextFromEnvironment({ TOOLKIT_CONTEXT }: Variables): Context {
  if (!TOOLKIT_CONTEXT) return { backup: localBackups };
  const wrong = (why: string) =>
    new UserError("TOOLKIT_CONTEXT is not understood", {
      why,
      fix: 'Write it like {"backup":{"kind":"rds","instanceIdentifier":"database-prod","region":"eu-central-1"},"keptBackups":{"count":5,"days":14}}.',
      exitCode: 2,
    });
  let given: Record<string, unknown>;
  try {
    given = JSON.parse(TOOLKIT_CONTEXT);
  } catch (error) {
    throw wrong(`It is not JSON: ${messageOf(error)}.`);
  }
  if (!isObject(given)) throw wrong("It is not an object.");
  const { backup = localBackups, keptBackups, thresholds, ...foreign } = given;
  const [unknown] = Object.keys(foreign);
  if (unknown) throw wrong(`It has no ${unknown}.`);
  if (!isTarget(backup)) throw wrong("backup is neither a folder of this machine nor an RDS instance.");
  if (keptBackups !== undefined && !isKept(keptBackups)) throw wrong("keptBackups has no count and days from 1 on.");
  // Their names and values are judged where they are used, with the names that there are.
  if (thresholds !== undefined && !isObject(thresholds)) throw wrong("thresholds is not an object.");
  return {
    backup,
    ...(keptBackups && { keptBackups }),
    ...(thresholds && { thresholds: thresholds as Record<string, number> }),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isTarget = (value: unknown): value is BackupTarget =>
  isObject(value) &&
  (value.kind === "rds"
    ? typeof value.instanceIdentifier === "string" && typeof value.region === "string"
    : value.kind === "auto" && typeof value.directory === "string");

const isKept = (value: unknown): value is NonNullable<Context["keptBackups"]> =>
  isObject(value) && [value.count, value.days].every((each) => Number.isInteger(each) && Number(each) >= 1);
