import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runner } from "node-pg-migrate";
import { type Connection, withClient } from "../toolkit/connection.ts";
import { applyMigrations } from "../toolkit/migrate/apply.ts";
import { deploy } from "../toolkit/migrate/deploy.ts";
import { median } from "../toolkit/statistics.ts";
import { say } from "../toolkit/terminal.ts";
import type { BenchOptions, Measured } from "./index.ts";
import { startBenchServer } from "./server.ts";

const migrations = 200;
const rounds = 9;

const contenders = { ours, up, bare };
type Name = keyof typeof contenders;

/**
 * Many small migrations, in turns by our manager with its safety on, by the same within `up`, which also keeps a record of
 * each step and validates the result, and by node-pg-migrate's own runner. None of them makes a backup.
 */
export async function bench(_options: BenchOptions): Promise<Measured> {
  const server = await startBenchServer();
  const directory = await mkdtemp(join(tmpdir(), "bench-migrations-"));
  try {
    await writeMigrations(directory);
    const times: Record<Name, number[]> = { ours: [], up: [], bare: [] };
    for (let round = 0; round < rounds; round++)
      for (const [name, run] of Object.entries(contenders) as [Name, typeof ours][]) {
        const database = `${name}${round}`;
        await withClient(server.connection, {}, (client) => client.query(`create database ${database}`));
        const started = performance.now();
        await run({ ...server.connection, database }, directory);
        times[name].push((performance.now() - started) / 1000);
        say(`  ${name}: ${times[name].at(-1)!.toFixed(2)} s`);
      }
    // Each against its own round: a machine's speed changes from one to the next more than from one contender to the next.
    const ratioOf = (name: Name) => median(times[name].map((seconds, round) => seconds / times.bare[round]!));
    const [ratio, ratioOfUp] = [ratioOf("ours"), ratioOf("up")];
    return {
      result: { server: server.version, migrations, times, ratio, ratioOfUp },
      lines: [
        `${migrations} migrations, medians of ${rounds}: ours ${median(times.ours).toFixed(2)} s, bare node-pg-migrate ` +
          `${median(times.bare).toFixed(2)} s: ${ratio.toFixed(2)} times; within \`up\` ${ratioOfUp.toFixed(2)} times`,
      ],
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
    await server.stop();
  }
}

async function writeMigrations(directory: string): Promise<void> {
  for (let n = 1; n <= migrations; n++) {
    const table = `t${Math.ceil(n / 4)}`;
    const [up, down] = [
      [`create index ${table}_name_idx on ${table} (name)`, `drop index ${table}_name_idx`],
      [`create table ${table} (id bigint primary key, name text not null)`, `drop table ${table}`],
      [`alter table ${table} add column note text`, `alter table ${table} drop column note`],
      [`comment on table ${table} is 'a table'`, `comment on table ${table} is null`],
    ][n % 4] as [string, string];
    const name = `${String(n).padStart(4, "0")}_step`;
    await writeFile(join(directory, `${name}.sql`), `-- Up Migration\n${up};\n-- Down Migration\n${down};\n`);
  }
}

async function ours(connection: Connection, directory: string): Promise<void> {
  await applyMigrations(connection, { directory });
}

async function up(connection: Connection, directory: string): Promise<void> {
  await deploy(connection, {
    ...{ directory, backupBefore: false, autoRollback: true, slowdownFactor: 2 },
    ...{ backup: { kind: "auto", directory }, backupCount: 1, backupRetention: 1 },
  });
}

async function bare(connection: Connection, directory: string): Promise<void> {
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  await withClient(connection, {}, (client) =>
    runner({
      ...{ dbClient: client, dir: directory, migrationsTable: "pgmigrations", direction: "up", logger: silent },
      singleTransaction: false,
    }),
  );
}
