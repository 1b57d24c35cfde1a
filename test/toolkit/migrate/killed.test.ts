import { spawn } from "node:child_process";
import { expect, test } from "@jest/globals";
import { type Connection, connectionString } from "../../../toolkit/connection.ts";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { invalidIndexes } from "../../../toolkit/migrate/invalidIndexes.ts";
import { makeDatabase, until } from "./support.ts";

const directory = "test/toolkit/migrate/fixtures/killed";
// Each point costs a process of Node's, so a run of the tests tries some, from a random one on; KILL_EVERY=1 tries all.
const every = Number(process.env.KILL_EVERY ?? 8);

interface Ended {
  killed: boolean;
  output: string;
}

/** Runs migrations in a process that kills itself after some queries, with SIGKILL. */
function runKilled(connection: Connection, direction: "up" | "down", killAt: number): Promise<Ended> {
  const env = {
    ...process.env,
    DATABASE_URL: connectionString(connection),
    DIRECTORY: directory,
    DIRECTION: direction,
    KILL_AT: String(killAt),
  };
  const child = spawn(process.execPath, ["test/toolkit/migrate/killedRun.ts"], { env });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  child.stderr.on("data", (chunk) => chunks.push(chunk));
  return new Promise((done) =>
    child.on("close", (_code, signal) =>
      done({ killed: signal === "SIGKILL", output: Buffer.concat(chunks).toString() }),
    ),
  );
}

async function undisturbed() {
  const { connection } = await makeDatabase();
  return applyMigrations(connection, { directory });
}

test.each(["up", "down"] as const)(
  "a run (%s) that is killed after any of its queries leaves a database from which the next one gets to the same end",
  async (direction) => {
    const { applied, fingerprint } = await undisturbed();
    let points = 0;
    for (let killAt = 1 + Math.floor(Math.random() * every); ; killAt += every) {
      const { connection, client, drop } = await makeDatabase();
      if (direction === "down") await applyMigrations(connection, { directory });
      const ended = await runKilled(connection, direction, killAt);
      if (!ended.killed) {
        expect(ended.output).toMatch(/^\d+\n$/);
        break;
      }
      points += 1;
      // Its server process may still be at work; the next run would wait for it, half a second at a time.
      const others = "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
      await until(async () => (await client.query(others)).rowCount === 0);
      const lines: string[] = [];
      const next = await applyMigrations(connection, { directory, say: (line) => lines.push(line) });
      const { rows } = await client.query("select count(*)::int as rows, sum(id)::int as sum from stocks");
      const state = { killAt, lines, ...next, ran: [], ...rows[0], invalid: await invalidIndexes(client) };
      expect(state).toEqual({
        killAt,
        lines,
        applied,
        head: applied.at(-1),
        fingerprint,
        ran: [],
        rows: 1000,
        sum: -1001000,
        invalid: [],
      });
      const unfinished = await client.query(
        "select from deploy.migration where finished_at is null or reverting_at is not null",
      );
      expect(unfinished.rowCount).toBe(0);
      await drop();
    }
    expect(points).toBeGreaterThan(3);
    console.info(`${direction}: killed at ${points} points`);
  },
  600_000,
);
