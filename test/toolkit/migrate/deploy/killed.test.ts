import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  type Connection,
  connectionString,
  parseConnectionString,
  withClient,
} from "../../../../toolkit/connection.ts";
import { applyMigrations } from "../../../../toolkit/migrate/apply.ts";
import { deploy } from "../../../../toolkit/migrate/deploy.ts";
import { fingerprint } from "../../../../toolkit/migrate/fingerprint.ts";
import { findBinaries } from "../../../../toolkit/server/binaries.ts";
import { startServer } from "../../../../toolkit/server/control.ts";
import { serverUser } from "../../../../toolkit/server/systemUser.ts";
import { testServer } from "../../../support/database.ts";
import { startTestServer, stopTestServer } from "../../../support/server.ts";
import { alone, type Folder, makeFolder, sql, until } from "../support.ts";
import { optionsFor, rememberedBackups } from "./options.ts";

// Each point costs a process of Node's, and some a server's recovery, so a run of the tests tries some of them, from a
// random one on; KILL_EVERY=1 tries all.
const every = (usual: number) => Number(process.env.KILL_EVERY ?? usual);

const good = {
  "0001_prices.sql": sql(
    `create table prices (day int not null, price int) partition by range (day);
     create table prices_1 partition of prices for values from (1) to (2);
     create table prices_2 partition of prices for values from (2) to (5);
     insert into prices select 1 + n % 4, n from generate_series(1, 100) n`,
    "drop table prices",
  ),
  "0002_once.ts": alone("create unique index concurrently once on prices (day, price)", "drop index concurrently once"),
  "0003_twice.sql": sql("update prices set price = -price", "update prices set price = -price"),
  "0004_plain.ts": alone("create index concurrently plain on prices_1 (price)", "drop index concurrently plain"),
};
const failing = { ...good, "0005_bad.sql": sql("select nowhere") };

interface Scenario {
  what: string;
  files: Record<string, string>;
  /** The server is killed together with the client. */
  server: boolean;
  step: number;
}

const scenarios: Scenario[] = [
  { what: "an up", files: good, server: false, step: every(30) },
  { what: "an up that fails and goes back", files: failing, server: false, step: every(45) },
  { what: "an up, with its server", files: failing, server: true, step: every(80) },
];

let own: { folder: string; url: string };
beforeAll(async () => {
  own = await startTestServer("secret");
  // What was committed is to survive, as on a server that is not a test's.
  await withClient(parseConnectionString(own.url), {}, async (client) => {
    await client.query("alter system set synchronous_commit to on");
    await client.query("alter system set full_page_writes to on");
    await client.query("select pg_reload_conf()");
  });
}, 60_000);
afterAll(() => stopTestServer(own.folder), 60_000);

let databases = 0;
/** A database with the first migration applied. */
async function prepared(server: Connection, { directory }: Folder): Promise<Connection> {
  const database = `killed_${process.pid}_${++databases}`;
  await withClient(server, {}, (client) => client.query(`create database ${database} template template0`));
  const connection = { ...server, database };
  await applyMigrations(connection, { directory, to: "0001_prices" });
  return connection;
}

const drop = (server: Connection, { database }: Connection) =>
  withClient(server, {}, (client) => client.query(`drop database ${database} with (force)`));

/** Runs an `up` in a process that kills itself, and its server, after some queries; false when it got to its end. */
async function runKilled(connection: Connection, { directory }: Folder, killAt: number, server: boolean) {
  const postmaster = server ? (await readFile(join(own.folder, "data/postmaster.pid"), "utf8")).split("\n")[0]! : "";
  const env = {
    ...process.env,
    DATABASE_URL: connectionString(connection),
    DIRECTORY: directory,
    KILL_AT: String(killAt),
    POSTMASTER: postmaster,
  };
  const child = spawn(process.execPath, ["test/toolkit/migrate/deploy/killedRun.ts"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const signal = await new Promise((done) => child.on("close", (_code, signal) => done(signal)));
  if (signal !== "SIGKILL") expect(output).toMatch(/^\d+\n$/);
  else if (server) {
    await until(() => !isRunning(Number(postmaster)));
    const user = await serverUser();
    const binaries = await findBinaries(user);
    await startServer({ data: join(own.folder, "data"), log: join(own.folder, "postgresql.log"), binaries, user });
  }
  return signal === "SIGKILL";
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** What the next `up` ends with, and what it leaves: the database, pgmigrations and the journals. */
async function endOfNext(connection: Connection, folder: Folder) {
  const ended = await deploy(connection, optionsFor(folder, { backups: rememberedBackups() })).then(
    () => "ok",
    (error: Error) => error.message.split("\n")[0],
  );
  return withClient(connection, {}, async (client) => {
    const { rows } = await client.query(
      `select array(select name::text from pgmigrations order by id) as applied,
              array(select name from deploy.migration where finished_at is not null and reverting_at is null
                    order by name) as journal,
              (select count(*)::int from deploy.migration where finished_at is null or reverting_at is not null) as open,
              (select count(*)::int from deploy.step where result is null) as "openSteps",
              (select count(*)::int from deploy.run where result is null) as "openRuns",
              (select result from deploy.run order by id desc limit 1) as run,
              (select fingerprint from deploy.recorded_schema) as recorded,
              (select count(*)::int from pg_index where not indisvalid) as invalid,
              (select array[count(*), sum(price)]::int[] from prices) as prices`,
    );
    return { ended, fingerprint: await fingerprint(client), ...rows[0] };
  });
}

test.each(scenarios)(
  "$what that is killed after any of its queries leaves a database from which the next one gets to the same end",
  async ({ what, files, server: withServer, step }) => {
    const folder = await makeFolder(files);
    const server = withServer ? parseConnectionString(own.url) : testServer();
    const undisturbed = await prepared(server, folder);
    const expected = await endOfNext(undisturbed, folder);
    expect(expected).toMatchObject({ open: 0, openSteps: 0, openRuns: 0, invalid: 0, recorded: expected.fingerprint });
    let points = 0;
    for (let killAt = 1 + Math.floor(Math.random() * step); ; killAt += step) {
      const connection = await prepared(server, folder);
      if (!(await runKilled(connection, folder, killAt, withServer))) break;
      points += 1;
      // Its server process may still be at work; the next run would wait for it, half a second at a time.
      await withClient(connection, {}, (client) =>
        until(async () => {
          const others = "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
          return (await client.query(others)).rowCount === 0;
        }),
      );
      const end = await endOfNext(connection, folder);
      // One that was killed just before its end may have nothing left to do, or to fail at.
      expect({ killAt, ...end }).toEqual({ killAt, ...expected });
      await drop(server, connection);
    }
    await drop(server, undisturbed);
    expect(points).toBeGreaterThan(0);
    console.info(`${what}: killed at ${points} points`);
  },
  1_800_000,
);
