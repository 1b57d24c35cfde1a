import pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { superuser } from "./cluster.ts";
import { markName } from "./settings.ts";

/** What a running server says of itself. */
export interface Live {
  /** "17.10" */
  version: string;
  /** The mark of the settings that it has read; null where it has read none of ours. */
  mark: string | null;
  /** Settings that wait for a restart. */
  pending: string[];
  /** Settings of the stack that ALTER SYSTEM has set to something else. */
  overridden: string[];
  /** Settings of the stack that the server does not know, such as a misspelt one of an extension. */
  unknown: string[];
  hasDatabase: boolean;
}

// PostgreSQL's own database for such work; it cannot be the stack's, which may not exist yet.
const maintenanceDatabase = "postgres";
const sessionOptions = { applicationName: "postgres-from-code up", connectTimeout: 10_000 };

/** How the superuser enters the server. */
export function connectionTo(port: number, database: string, password: string): Connection {
  return { host: "127.0.0.1", port, database, user: superuser, password };
}

/**
 * Runs `work` as superuser in the server's maintenance database.
 * @throws UserError when the server cannot be reached
 */
export function asSuperuser<T>(port: number, password: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withClient(connectionTo(port, maintenanceDatabase, password), sessionOptions, work);
}

/**
 * Looks at a running server.
 * @param names the settings that the stack sets
 */
export async function lookAt(client: pg.Client, names: string[], database: string): Promise<Live> {
  const { rows } = await client.query<Live>(
    `select split_part(current_setting('server_version'), ' ', 1) as version,
            current_setting($1, true) as mark,
            array(select name from pg_settings where pending_restart order by name) as pending,
            array(select distinct name from pg_file_settings
                   where sourcefile like '%postgresql.auto.conf' and lower(name) = any ($2) order by name) as overridden,
            array(select name from unnest($2::text[]) as asked (name)
                   where current_setting(name, true) is null order by name) as unknown,
            exists (select from pg_database where datname = $3) as "hasDatabase"`,
    [markName, names.map((name) => name.toLowerCase()), database],
  );
  return rows[0]!;
}

/** The errors that a reload would meet in the configuration's files; a setting that waits for a restart is none. */
export async function errorsInFiles(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(
    `select concat_ws(' ', f.name, '=', f.setting) || ': ' || f.error as line
       from pg_file_settings f
       left join pg_settings s on lower(s.name) = lower(f.name)
      where f.error is not null and s.context is distinct from 'postmaster'
      order by f.seqno`,
  );
  return rows.map(({ line }) => line);
}

/** Makes a database where it is missing. */
export async function createDatabase(client: pg.Client, database: string): Promise<void> {
  console.log(`creating the database ${database}`);
  await client.query(`create database ${pg.escapeIdentifier(database)}`);
}

/** Takes back what ALTER SYSTEM has set. */
export async function resetOverrides(client: pg.Client, names: string[]): Promise<void> {
  for (const name of names) {
    console.log(`taking back ALTER SYSTEM SET ${name}: the stack sets it`);
    await client.query(`alter system reset ${pg.escapeIdentifier(name)}`);
  }
}
