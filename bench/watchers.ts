import { spawn } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { type Connection, clientConfig, connectionString, withClient } from "../toolkit/connection.ts";
import { snapshot } from "../toolkit/monitor/snapshot.ts";
import { freePort } from "../toolkit/server/scratchFolder.ts";
import { say } from "../toolkit/terminal.ts";

const exporterProgram = "/usr/bin/prometheus-postgres-exporter";

/** Somebody who looks at the server, and the processor time that the server spent on it so far, in milliseconds. */
export interface Side {
  name: string;
  look(): Promise<unknown>;
  spent(): Promise<number | null>;
  stop(): Promise<void>;
}

/** Our snapshot, over a session of its own. */
export async function ours(connection: Connection): Promise<Side> {
  const client = new pg.Client(clientConfig(connection, { applicationName: "snapshot" }));
  await client.connect();
  return {
    name: "snapshot",
    look: () => snapshot(client),
    spent: () => processorTime(connection, "application_name = 'snapshot'"),
    stop: () => client.end(),
  };
}

/** Debian's exporter, where it is installed. Its secret goes by the environment. */
export async function exporter(connection: Connection): Promise<Side[]> {
  const installed = await access(exporterProgram).then(
    () => true,
    () => false,
  );
  if (!installed) {
    say("prometheus-postgres-exporter is not installed: it is left out");
    return [];
  }
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(exporterProgram, [`--web.listen-address=${address}`, "--log.level=error"], {
    env: { ...process.env, DATA_SOURCE_NAME: connectionString({ ...connection, ssl: false }) },
    stdio: "ignore",
  });
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  const look = async () => {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    if (!/^pg_up 1$/m.test(text)) throw new Error("the exporter does not reach the server");
  };
  const stop = async () => {
    child.kill();
    await ended;
  };
  for (let patience = 50; ; patience--)
    try {
      await look();
      break;
    } catch (error) {
      if (patience > 0) await sleep(200);
      else {
        await stop();
        throw error;
      }
    }
  // It names no application; nobody else here has none.
  return [
    {
      name: "prometheus-postgres-exporter",
      look,
      stop,
      spent: () => processorTime(connection, "application_name = ''"),
    },
  ];
}

/** Of the sessions that still are, by Linux; null elsewhere, or where none is left. */
async function processorTime(connection: Connection, which: string): Promise<number | null> {
  const { rows } = await withClient(connection, {}, (client) =>
    client.query<{ pid: number }>(
      `select pid from pg_stat_activity where backend_type = 'client backend' and ${which}`,
    ),
  );
  const ticks = await Promise.all(
    rows.map(async ({ pid }) => {
      const fields = (await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")).split(") ")[1]?.split(" ");
      return fields ? Number(fields[11]) + Number(fields[12]) : null;
    }),
  );
  // A tick is a hundredth of a second on every Linux of today.
  return ticks.length > 0 && !ticks.includes(null) ? ticks.reduce((sum: number, n) => sum + n!, 0) * 10 : null;
}
