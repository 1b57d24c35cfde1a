import { access, constants } from "node:fs/promises";
import type pg from "pg";
import { messageOf } from "../errors.ts";
import { readCluster } from "../server/cluster.ts";
import { serverStatus } from "../server/control.ts";
import { isServer } from "../server/processes.ts";

/** The data folder of a server on this machine, or why a physical backup of it is not possible. */
export type DataFolder = { path: string } | { obstacle: string };

interface Answers {
  mayBackUp: boolean;
  mayReplicate: boolean;
  mayIdentify: boolean;
  maySeeFolder: boolean;
  standby: boolean;
  tablespaces: string | null;
  walLevel: string;
  slots: number;
  pid: number;
}

const obstacles: readonly { if: (answers: Answers) => boolean; obstacle: (answers: Answers) => string }[] = [
  { if: ({ standby }) => standby, obstacle: () => "the server is a standby" },
  {
    if: ({ maySeeFolder }) => !maySeeFolder,
    obstacle: () => "the role may not see where the data folder is (it lacks pg_read_all_settings)",
  },
  {
    if: ({ mayBackUp }) => !mayBackUp,
    obstacle: () => "the role may not execute pg_backup_start",
  },
  {
    if: ({ mayReplicate }) => !mayReplicate,
    obstacle: () => "the role may not keep the write-ahead log (it lacks REPLICATION)",
  },
  {
    if: ({ mayIdentify }) => !mayIdentify,
    obstacle: () => "the role may not execute pg_control_system",
  },
  { if: ({ walLevel }) => walLevel === "minimal", obstacle: () => "wal_level is minimal" },
  { if: ({ slots }) => slots <= 0, obstacle: () => "every one of max_replication_slots is taken" },
  {
    if: ({ tablespaces }) => tablespaces !== null,
    obstacle: ({ tablespaces }) => `tables are outside the data folder, in the tablespaces ${tablespaces}`,
  },
];

/**
 * Finds the data folder of a session's server, and makes sure that it is really this server's: the folder may be that
 * of another server which happens to be at the same path on this machine.
 */
export async function findDataFolder(client: pg.ClientBase): Promise<DataFolder> {
  const answers = await ask(client);
  const found = obstacles.find((entry) => entry.if(answers));
  if (found) return { obstacle: found.obstacle(answers) };
  const { rows } = await client.query<{ path: string; identifier: string; port: number }>(
    `select current_setting('data_directory') as path, current_setting('port')::int as port,
            (select system_identifier::text from pg_control_system()) as identifier`,
  );
  const { path, identifier, port } = rows[0]!;
  try {
    await access(path, constants.R_OK | constants.X_OK);
    const elsewhere = `${path} on this machine is not the data folder of this server`;
    if ((await readCluster(path))?.systemIdentifier !== identifier) return { obstacle: elsewhere };
    if ((await serverStatus(path))?.port !== port) return { obstacle: elsewhere };
    // A copy has the same identifier, and so has a standby: the session's own process is in one folder only.
    if (!(await isServer(answers.pid, path))) return { obstacle: elsewhere };
    return { path };
  } catch (error) {
    return { obstacle: `the data folder ${path} cannot be read on this machine (${messageOf(error).split("\n")[0]})` };
  }
}

async function ask(client: pg.ClientBase): Promise<Answers> {
  const { rows } = await client.query<Answers>(
    `select coalesce((select bool_or(has_function_privilege(oid, 'execute'))
                        from pg_proc where proname = 'pg_backup_start'), false) as "mayBackUp",
            rolsuper or rolreplication as "mayReplicate",
            has_function_privilege('pg_control_system()', 'execute') as "mayIdentify",
            rolsuper or pg_has_role(current_user, 'pg_read_all_settings', 'usage') as "maySeeFolder",
            pg_is_in_recovery() as standby,
            (select string_agg(spcname, ', ' order by spcname) from pg_tablespace
              where spcname not in ('pg_default', 'pg_global')) as tablespaces,
            current_setting('wal_level') as "walLevel",
            current_setting('max_replication_slots')::int
              - (select count(*)::int from pg_replication_slots) as slots,
            pg_backend_pid() as pid
       from pg_roles where rolname = current_user`,
  );
  return rows[0]!;
}
