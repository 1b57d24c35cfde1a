import { open, readdir, readlink, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { messageOf } from "../../errors.ts";
import type { Queryable } from "../../queryable.ts";
import { serverStatus } from "../../server/control.ts";
import { isServer } from "../../server/processes.ts";
import { type LogFile, type LogRead, mostBytes, newest, textOf } from "./logSource.ts";

interface Place {
  data: string;
  logs: string;
  collects: boolean;
  port: number;
  pid: number;
}

/** The log of a server that runs on this machine, where its files may be read here: as the embedded one's may. */
export async function localLog(client: Queryable): Promise<LogRead> {
  const { rows: rights } = await client.query<{ may: boolean }>(
    "select pg_has_role('pg_read_all_settings', 'usage') as may",
  );
  if (!rights[0]!.may)
    return { unavailable: "This role may not see where the server's files are: grant pg_read_all_settings to it." };
  const { rows } = await client.query<Place>(
    `select current_setting('data_directory') as data, current_setting('log_directory') as logs,
            current_setting('logging_collector') = 'on' as collects, current_setting('port')::int as port,
            pg_backend_pid() as pid`,
  );
  const { data, logs, collects, port, pid } = rows[0]!;
  const running = await serverStatus(data);
  // Another server's folder may be at the same path here.
  if (running?.port !== port || !(await isServer(pid, data)))
    return { unavailable: "The server does not run on this machine, or its files may not be read here." };
  try {
    const { format, files } = newest(
      collects ? await listed(resolve(data, logs)) : await standardError(data, running.pid),
    );
    const texts = await Promise.all(files.map(({ name }) => tailOf(name)));
    return { place: files.at(-1)?.name ?? "the server's log", format, text: texts.join("") };
  } catch (error) {
    return { unavailable: `The server's log cannot be read here: ${messageOf(error)}.` };
  }
}

/** The newest first. */
async function listed(folder: string): Promise<LogFile[]> {
  const files = await Promise.all(
    (await readdir(folder)).map(async (file) => {
      const name = join(folder, file);
      const { size, mtimeMs } = await stat(name);
      return { name, size, mtimeMs };
    }),
  );
  return files.sort((one, other) => other.mtimeMs - one.mtimeMs || other.name.localeCompare(one.name));
}

/** The file that what starts the server sent its messages to: Linux tells it; elsewhere it is where `up` puts it. */
async function standardError(data: string, pid: number): Promise<LogFile[]> {
  const file = join(dirname(data), "postgresql.log");
  const name = process.platform === "linux" ? await readlink(`/proc/${pid}/fd/2`) : file;
  const found = await stat(name);
  if (!found.isFile()) throw new Error(`its messages go to ${name}, which is no file`);
  return [{ name, size: found.size }];
}

async function tailOf(name: string): Promise<string> {
  const file = await open(name);
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - mostBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    return textOf(buffer.subarray(0, bytesRead), from > 0);
  } finally {
    await file.close();
  }
}
