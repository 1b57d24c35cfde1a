import { spawn, spawnSync } from "node:child_process";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, connect } from "../../toolkit/connection.ts";
import { serverUser } from "../../toolkit/server/systemUser.ts";
import { freePort, temporaryBase } from "./server.ts";

const path = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

/** Whether this machine has a PgBouncer; Debian's is found where it lies. */
export const pgbouncerInstalled = spawnSync("pgbouncer", ["--version"], { env: { PATH: path } }).status === 0;

/** A PgBouncer in transaction mode before one database. */
export interface PgBouncer {
  /** The database through it. */
  connection: Connection;
  stop(): Promise<void>;
}

/** Starts one with two backends, so that each client meets a backend that another one used. */
export async function startPgBouncer(behind: Connection): Promise<PgBouncer> {
  const { port, user, password, database } = behind;
  const account = await serverUser();
  const folder = await mkdtemp(join(await temporaryBase(account), "postgres-from-code-pgbouncer-"));
  const connection = { ...behind, port: await freePort() };
  const file = join(folder, "pgbouncer.ini");
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: connection.port,
    unix_socket_dir: "",
    pool_mode: "transaction",
    auth_type: "any",
    default_pool_size: 2,
    logfile: join(folder, "log"),
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`);
  await writeFile(
    file,
    `[databases]\n${database} = host=127.0.0.1 port=${port} user=${user} password=${password}\n[pgbouncer]\n${lines.join("\n")}\n`,
    { mode: 0o600 },
  );
  if (account) for (const each of [folder, file]) await chown(each, account.uid, account.gid);
  // PgBouncer, too, refuses to run as root.
  const child = spawn("pgbouncer", ["-q", file], { ...account, cwd: "/", env: { PATH: path }, stdio: "ignore" });
  const stop = async () => {
    child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  };
  for (const limit = Date.now() + 10_000; ; await sleep(10))
    try {
      await (await connect(connection)).end();
      return { connection, stop };
    } catch (error) {
      if (Date.now() < limit) continue;
      await stop();
      throw error;
    }
}
