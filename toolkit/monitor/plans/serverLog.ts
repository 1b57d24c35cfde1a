import type { Queryable } from "../../queryable.ts";
import { type LogFile, type LogRead, mostBytes, newest, textOf } from "./logSource.ts";

interface Rights {
  /** Amazon lets nobody read files. */
  rds: boolean;
  collects: boolean;
  mayList: boolean;
  mayRead: boolean;
}

const read = "pg_read_binary_file(text, bigint, bigint, boolean)";

/**
 * The log that the server itself collects in files, by SQL. Nothing is asked that the role may not: an error would end
 * the transaction around it.
 * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-GENFILE
 */
export async function serverLog(client: Queryable): Promise<LogRead> {
  const { rows } = await client.query<Rights>(
    `select current_setting('rds.extensions', true) is not null as rds,
            current_setting('logging_collector') = 'on' as collects,
            pg_has_role('pg_read_all_settings', 'usage')
              and has_function_privilege('pg_catalog.pg_ls_logdir()', 'execute') as "mayList",
            has_function_privilege('pg_catalog.' || $1, 'execute') as "mayRead"`,
    [read],
  );
  const { rds, collects, mayList, mayRead } = rows[0]!;
  if (rds)
    return {
      unavailable: "The log of an RDS instance comes by AWS's API: name its stack (--stack), which knows the instance.",
    };
  if (!collects) return { unavailable: "The server keeps no log of its own (logging_collector is off)." };
  if (!mayList || !mayRead) {
    const grants = [...(mayList ? [] : ["pg_monitor"]), ...(mayRead ? [] : [`execute on function pg_catalog.${read}`])];
    return { unavailable: `This role may not read the server's log: grant ${grants.join(", and ")} to it.` };
  }
  const { rows: listed } = await client.query<LogFile>(
    "select name, size::float8 as size from pg_ls_logdir() order by modification desc, name desc",
  );
  const { format, files } = newest(listed);
  let text = "";
  for (const { name, size } of files) {
    const from = Math.max(0, size - mostBytes);
    const { rows: parts } = await client.query<{ bytes: Buffer | null }>(
      "select pg_read_binary_file(current_setting('log_directory') || '/' || $1, $2, $3, true) as bytes",
      [name, from, mostBytes],
    );
    text += textOf(parts[0]!.bytes ?? Buffer.alloc(0), from > 0);
  }
  return { place: "the server's log", format, text };
}
