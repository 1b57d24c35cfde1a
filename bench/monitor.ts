import { spawn } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import pg from "pg";
import { type Connection, clientConfig, connectionString, withClient } from "../toolkit/connection.ts";
import { makeDays } from "../toolkit/history/days.ts";
import { recordSnapshot } from "../toolkit/history/record.ts";
import { ensureHistory } from "../toolkit/history/schema.ts";
import { applyMigrations } from "../toolkit/migrate/apply.ts";
import { snapshot } from "../toolkit/monitor/snapshot.ts";
import { bytes } from "../toolkit/monitor/texts.ts";
import { freePort } from "../toolkit/server/scratchFolder.ts";
import { median } from "../toolkit/statistics.ts";
import { count, say } from "../toolkit/terminal.ts";
import { loadMarket, sizesFor } from "./headline/load.ts";
import type { BenchOptions, Measured } from "./index.ts";
import { startBenchServer } from "./server.ts";

const defaultRows = 200_000;
// As few rows have few months: the rest is made ahead, as far as the function goes.
const [partitions, mostAhead] = [400, 120];
const lanes = 4;
// One look in each round, hence every 15 s; both orders, so that a machine that grows slower harms no side.
const interval = 15_000;
const rounds = 2;
const looks = 15;
const exporterProgram = "/usr/bin/prometheus-postgres-exporter";

/** Somebody who looks at the server, and the processor time that the server spent on it so far, in milliseconds. */
interface Side {
  name: string;
  look(): Promise<unknown>;
  spent(): Promise<number | null>;
  stop(): Promise<void>;
}

/**
 * What a snapshot of everything costs the server, beside a scrape of Debian's prometheus-postgres-exporter, where it is
 * installed: the time of one, the processor time of its sessions, and the throughput of a load that goes on meanwhile.
 */
export async function bench({ rows = defaultRows }: BenchOptions): Promise<Measured> {
  const server = await startBenchServer({ settings: { shared_preload_libraries: "pg_stat_statements" } });
  const { connection } = server;
  const sides: Side[] = [];
  try {
    const settings = { directory: "migrations" };
    await applyMigrations(connection, { ...settings, to: "0001_initial_schema" });
    await loadMarket(connection, { ...sizesFor(rows), indicators: 0, recommendations: 0, apiCalls: 0 });
    await applyMigrations(connection, settings);
    const made = await withClient(connection, {}, fill);
    say(`PostgreSQL ${server.version}, ${count(rows)} rows, ${made} partitions, ${lanes} clients`);
    const stored = await withClient(connection, {}, storedBytes);
    sides.push(await ours(connection), ...(await exporter(connection)));
    const alone: Record<string, number> = {};
    for (const side of sides) alone[side.name] = await timeOf(side);
    const loaded = await measure(connection, sides);
    const result = { server: server.version, rows, partitions: made, storedBytesPerDay: stored, sides: {} };
    const lines = [`stored in a day: ${bytes(stored)}`];
    for (const [name, { perSecond, milliseconds, processor }] of Object.entries(loaded)) {
      const ratio = perSecond / loaded.nobody!.perSecond;
      const share = processor === null ? null : (100 * processor) / interval;
      Object.assign(result.sides, {
        [name]: { perSecond, ratio, idleMilliseconds: alone[name], milliseconds, processor, share },
      });
      lines.push(
        name === "nobody"
          ? `nobody looks: ${count(perSecond)} statements a second`
          : `${name}: ${alone[name]!.toFixed(1)} ms on an idle server, ${milliseconds.toFixed(1)} ms under load, ` +
              `${processor === null ? "?" : processor.toFixed(0)} ms of one processor, ${share === null ? "?" : share.toFixed(2)} % of it; ` +
              `${count(perSecond)} statements a second, ${ratio.toFixed(3)} of nobody's`,
      );
    }
    return { result, lines };
  } finally {
    for (const side of sides) await side.stop();
    await server.stop();
  }
}

/** Partitions and statistics as a database of some years has them. */
async function fill(client: pg.Client): Promise<number> {
  const counted = async () => {
    const { rows } = await client.query(
      "select count(*)::int as n from pg_class where relispartition and relkind = 'r'",
    );
    return rows[0].n as number;
  };
  await client.query("create extension pg_stat_statements");
  const months = Math.min(mostAhead, Math.max(12, 12 + Math.ceil((partitions - (await counted())) / 2)));
  await client.query(
    "select create_partitions_ahead('price_history', $1), create_partitions_ahead('technical_indicators', $1)",
    [months],
  );
  await client.query("vacuum analyze");
  return counted();
}

/** What a day takes in all tiers: whole records once a minute, quick ones between them, and the coarser ones of both. */
async function storedBytes(client: pg.Client): Promise<number> {
  await ensureHistory(client);
  await makeDays(client);
  const size = async () => {
    const { rows } = await client.query(
      "select sum(pg_total_relation_size(relid))::float8 as size from pg_partition_tree('monitoring.sample')",
    );
    return rows[0].size as number;
  };
  const each = async (many: boolean) => {
    const before = await size();
    for (let n = 0; n < 4 * looks; n++) await recordSnapshot(client, { many });
    return ((await size()) - before) / (4 * looks);
  };
  const [whole, quick] = [await each(true), await each(false)];
  const [minutes, snapshots] = [24 * 60, 86_400_000 / interval];
  // A coarser record has the largest beside each number: 20 bytes in the place of 12.
  const coarse = (whole * 20) / 12;
  return whole * minutes + quick * (snapshots - minutes) + coarse * (288 + 24);
}

async function ours(connection: Connection): Promise<Side> {
  const client = new pg.Client(clientConfig(connection, { applicationName: "snapshot" }));
  await client.connect();
  return {
    name: "snapshot",
    look: () => snapshot(client),
    spent: () => processorTime(connection, "application_name = 'snapshot'"),
    stop: () => client.end(),
  };
}

/** Its secret goes by the environment. */
async function exporter(connection: Connection): Promise<Side[]> {
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

async function timeOf({ look }: Side): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < looks; n++) {
    const started = performance.now();
    await look();
    times.push(performance.now() - started);
  }
  return median(times);
}

/** The throughput of the load while nobody, and while each side looks; and what one look takes the server. */
async function measure(connection: Connection, sides: readonly Side[]) {
  // Ticks are coarse: the processor time is that of many looks.
  const processor = new Map<string, number | null>();
  for (const side of sides) {
    const before = await side.spent();
    await timeOf(side);
    const after = await side.spent();
    processor.set(side.name, before === null || after === null ? null : (after - before) / looks);
  }
  const nobody = { name: "nobody", look: async () => {} };
  const seen = new Map([nobody, ...sides].map(({ name }) => [name, { done: 0, seconds: 0, times: [] as number[] }]));
  const load = new Worker(new URL(import.meta.url), { workerData: { load: connection } });
  const failed = new Promise<never>((_, reject) => void load.once("error", reject));
  const ask = (text: string) => {
    load.postMessage(text);
    return Promise.race([failed, new Promise<number>((answer) => void load.once("message", answer))]);
  };
  await ask("count");
  await sleep(2_000);
  for (let round = 0; round < rounds; round++)
    for (const { name, look } of round % 2 ? [nobody, ...sides].reverse() : [nobody, ...sides]) {
      const record = seen.get(name)!;
      const [before, started] = [await ask("count"), performance.now()];
      await sleep(interval / 2);
      const looked = performance.now();
      await look();
      record.times.push(performance.now() - looked);
      await sleep(Math.max(0, interval - (performance.now() - started)));
      record.done += (await ask("count")) - before;
      record.seconds += (performance.now() - started) / 1000;
      say(`  ${name}: ${count(record.done / record.seconds)} statements a second`);
    }
  await ask("stop");
  return Object.fromEntries(
    [...seen].map(([name, { done, seconds, times }]) => [
      name,
      { perSecond: done / seconds, milliseconds: median(times), processor: processor.get(name) ?? null },
    ]),
  );
}

/** The load: each client asks for the last price of a stock as fast as it can, and writes one of ten. */
async function runLoad(connection: Connection): Promise<void> {
  let [done, stopping] = [0, false];
  const lane = async () => {
    const client = new pg.Client(clientConfig(connection, { applicationName: "load" }));
    await client.connect();
    const { rows } = await client.query<{ id: number }>("select id from stocks order by random()");
    for (let n = 0; !stopping; n++) {
      const stock = rows[n % rows.length]!.id;
      await client.query(
        n % 10
          ? {
              name: "read",
              text: "select date, close from price_history where stock_id = $1 order by date desc limit 1",
              values: [stock],
            }
          : { name: "write", text: "update stocks set name = name where id = $1", values: [stock] },
      );
      done++;
    }
    await client.end();
  };
  const running = Promise.all(Array.from({ length: lanes }, lane));
  parentPort!.on("message", async (text: string) => {
    if (text === "stop") {
      stopping = true;
      await running;
    }
    parentPort!.postMessage(done);
    if (stopping) parentPort!.close();
  });
  await running;
}

if (!isMainThread && workerData?.load) await runLoad(workerData.load);
