import type pg from "pg";
import { fingerprint } from "../migrate/fingerprint.ts";

/** What a backup records of the server and the database that it is made of. */
export interface Facts {
  serverVersion: string;
  /** Empty where the role may not know it. */
  systemIdentifier: string;
  database: string;
  head: string;
  fingerprint: string;
  /** The role that initdb made, by which a restored copy can always be entered. */
  superuser: string;
}

/**
 * Reads what a backup records.
 * @param client a session outside any transaction
 */
export async function readFacts(client: pg.ClientBase): Promise<Facts> {
  const { rows } = await client.query<Omit<Facts, "head" | "fingerprint" | "systemIdentifier"> & { migrated: boolean }>(
    `select split_part(current_setting('server_version'), ' ', 1) as "serverVersion",
            current_database() as database,
            (select rolname from pg_roles where oid = 10) as superuser, -- BOOTSTRAP_SUPERUSERID
            coalesce(has_table_privilege(to_regclass('public.pgmigrations'), 'select'), false) as migrated`,
  );
  const { migrated, ...facts } = rows[0]!;
  const last = migrated
    ? await client.query<{ name: string }>("select name from public.pgmigrations order by run_on desc, id desc limit 1")
    : undefined;
  const systemIdentifier = await readSystemIdentifier(client);
  return { ...facts, systemIdentifier, head: last?.rows[0]?.name ?? "", fingerprint: await fingerprint(client) };
}

/** Hosted PostgreSQL often reserves the function for its owner. */
async function readSystemIdentifier(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ may: boolean }>(
    "select has_function_privilege('pg_control_system()', 'execute') as may",
  );
  if (!rows[0]!.may) return "";
  const found = await client.query<{ identifier: string }>(
    "select system_identifier::text as identifier from pg_control_system()",
  );
  return found.rows[0]!.identifier;
}
