import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { loadConfig } from "../../../infra/config.ts";
import { embeddedSettings, rdsParameters } from "../../../infra/parameters.ts";
import { findBinaries } from "../../../toolkit/server/binaries.ts";
import { checkSettings } from "../../../toolkit/server/checkSettings.ts";
import { command, needsDatabase } from "../../../toolkit/tune/command.ts";
import { readEvidence, readSettings } from "../../../toolkit/tune/evidence.ts";
import { recommend } from "../../../toolkit/tune/recommend.ts";
import { rules } from "../../../toolkit/tune/rules.ts";
import { writeParameters } from "../../../toolkit/tune/write.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { failure, until } from "../pool/support.ts";

let database: TestDatabase;
let folder: string;
let file: string;

const stackFile = `# Production
config:
  aws:region: eu-central-1 # near the exchange
  database:server: rds
  database:parameters:
    # asked for by the auditors
    log_connections: true
    jit: true # to be looked at again
    max_wal_size: 65536 # 64GB
  database:zones: [a, b, c]
`;

beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), "tune-"));
  file = join(folder, "Pulumi.prod.yaml");
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

const analytics = { memory: 64 * 1024 ** 3, cpus: 16, workload: "analytics", processes: 2 } as const;
const read = async () => ({
  settings: await readSettings(
    database.client,
    rules.map(({ name }) => name),
  ),
  evidence: await readEvidence(database.client),
});

/** What a command wrote to stdout and stderr. */
async function outputOf(work: () => Promise<unknown>): Promise<{ stdout: string; stderr: string; result: unknown }> {
  const output = { stdout: "", stderr: "", result: undefined as unknown };
  const [out, err] = [process.stdout.write, process.stderr.write];
  const into = (stream: "stdout" | "stderr") => (text: string) => {
    output[stream] += text;
    return true;
  };
  process.stdout.write = into("stdout") as typeof out;
  process.stderr.write = into("stderr") as typeof err;
  try {
    output.result = await work();
  } finally {
    [process.stdout.write, process.stderr.write] = [out, err];
  }
  return output;
}

test("the server knows every parameter, in the rule's unit, and the diff shows what it has", async () => {
  const live = await read();
  expect(rules.map(({ name, unit }) => [name, unit ?? null])).toEqual(
    rules.map(({ name }) => [name, live.settings.get(name)?.unit]),
  );
  const shown = recommend(analytics, live).parameters;
  const find = (name: string) => shown.find((one) => one.name === name)!;
  expect(find("shared_buffers")).toMatchObject({ today: "128MB", recommended: "16GB", change: true, restart: true });
  expect(find("work_mem")).toMatchObject({ today: "4MB", change: true, restart: false });
  expect(find("jit")).toMatchObject({ today: "on", recommended: "on", change: false });
  expect(find("max_connections")).toMatchObject({ today: "200", recommended: "100", change: true, restart: true });
});

test("evidence comes from the counters of the database", async () => {
  const { client } = database;
  const before = await readEvidence(client);
  await client.query("set work_mem = '64kB'");
  for (let n = 0; n < 3; n++)
    await client.query("select count(*) from (select x from generate_series(1, 20000) x order by x::text) s");
  await client.query(`create table rows (id int) with (autovacuum_enabled = off);
    insert into rows select generate_series(1, 30000)`);
  await client.query("delete from rows");
  await client.query("checkpoint");
  await client.query("select pg_stat_force_next_flush()");
  await until(async () => (await readEvidence(client)).tablesBehind === 1);
  const after = await readEvidence(client);
  expect(after.tempFiles - before.tempFiles).toBeGreaterThanOrEqual(3);
  expect(after.tempBytes).toBeGreaterThan(before.tempBytes);
  expect(after.checkpointsRequested).toBeGreaterThan(before.checkpointsRequested);
  expect(after.sessions).toBeGreaterThan(0);
  expect(after.databaseBytes).toBeGreaterThan(1_000_000);
});

test("the file keeps its comments and order, and the program reads it without mistakes", async () => {
  await writeFile(file, stackFile);
  const { parameters } = recommend({ ...analytics, workload: "oltp" }, await read());
  const changes = parameters.filter(({ change }) => change);
  const dry = await writeParameters(file, changes, { dry: true });
  expect(await readFile(file, "utf8")).toBe(stackFile);
  expect(await writeParameters(file, changes)).toEqual(dry);
  expect(await writeParameters(file, changes)).toEqual([]);
  expect(await readFile(file, "utf8")).toBe(`# Production
config:
  aws:region: eu-central-1 # near the exchange
  database:server: rds
  database:parameters:
    # asked for by the auditors
    log_connections: true
    jit: false # to be looked at again
    max_wal_size: 8192 # 8GB
    max_connections: 100
    shared_buffers: 2097152 # 16GB
    work_mem: 144631 # 141MB
    maintenance_work_mem: 2097152 # 2GB
    effective_io_concurrency: 200
    max_worker_processes: 16
    max_parallel_workers: 16
    max_parallel_maintenance_workers: 4
    checkpoint_timeout: 900 # 900s
    min_wal_size: 2048 # 2GB
    random_page_cost: 1.1
    effective_cache_size: 6291456 # 48GB
    default_statistics_target: 200
    autovacuum_vacuum_cost_limit: 4000
  database:zones: [a, b, c]
`);
  const config = parse(await readFile(file, "utf8")).config as Record<string, unknown>;
  const loaded = loadConfig(
    Object.fromEntries(
      Object.entries(config).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
    ),
  );
  expect(loaded.parameters).toMatchObject({ log_connections: true, shared_buffers: 2_097_152, jit: false });
  // RDS is to be told whether a parameter takes a restart: every static one has to be in the table.
  const group = rdsParameters(17, loaded.parameters);
  const { settings } = await read();
  for (const { name, restart } of settings.values()) {
    const entry = group.find((one) => one.name === name)!;
    if (name in loaded.parameters)
      expect([name, entry.applyMethod]).toEqual([name, restart ? "pending-reboot" : "immediate"]);
  }
  // PostgreSQL itself takes every value that was written, in the place of the table's.
  const machine = { memory: 8 * 1024 ** 3, cpus: 4, maxConnections: 100 };
  expect(await checkSettings(await findBinaries(), embeddedSettings(17, machine, loaded.parameters))).toEqual([]);
});

test("a file that is none is refused, and left as it is", async () => {
  const jit = [{ name: "jit", value: false, recommended: "off" }];
  const refusal = async (text: string) => {
    await writeFile(file, text);
    const { message } = await failure(writeParameters(file, jit));
    expect(await readFile(file, "utf8")).toBe(text);
    return message.replaceAll(folder, "");
  };
  expect(await refusal("config:\n  database:parameters: [1]\n")).toBe(
    `database:parameters in /Pulumi.prod.yaml holds no parameters
  why: It is no mapping of names to values.
  fix: Write it as name: value, one a line, or remove it.`,
  );
  expect(await refusal("config: [\n")).toMatch(/^\/Pulumi.prod.yaml is not YAML\n {2}why: /);
  expect(await refusal("- 1\n")).toBe(
    "/Pulumi.prod.yaml is no file of a stack\n  fix: Name the file of a stack, like Pulumi.prod.yaml.",
  );
  expect((await failure(writeParameters(join(folder, "none.yaml"), jit))).message).toMatch(
    /none.yaml cannot be read\n/,
  );
  await writeFile(file, "# nothing yet\n");
  await writeParameters(file, jit);
  expect(parse(await readFile(file, "utf8"))).toEqual({ config: { "database:parameters": { jit: false } } });
});

test("the command shows the diff with reasons, writes where it is told to, and prints JSON", async () => {
  await writeFile(file, stackFile);
  const argv = ["--class", "db.r7g.large", "--processes", "4", "--write", file];
  const shown = await outputOf(() => command([...argv, "--dry-run"], database.connection));
  expect(shown.stdout).toMatch(/^For 16GB of memory, 2 processors, the workload mixed:\n/);
  expect(shown.stdout).toMatch(/^shared_buffers +128MB +4GB +a restart$/m);
  expect(shown.stdout).toContain("Pools of 4 processes: min 1, max 2 in each, 8 sessions together\n");
  expect(shown.stdout).toMatch(/^Evidence.*: \d+ temporary files, /m);
  expect(shown.stderr).toContain("jit: true -> false\n");
  expect(await readFile(file, "utf8")).toBe(stackFile);
  const { stdout } = await outputOf(() => command([...argv, "--json"], database.connection));
  expect(JSON.parse(stdout)).toMatchObject({
    target: { cpus: 2, workload: "mixed", processes: 4 },
    pool: { max: 2 },
    evidence: { tablesBehind: 1 },
    parameters: expect.arrayContaining([expect.objectContaining({ name: "shared_buffers", value: 524_288 })]),
  });
  expect(parse(await readFile(file, "utf8")).config["database:parameters"].shared_buffers).toBe(524_288);
});

test("wrong options are told before a database is asked", async () => {
  const wrong = async (...argv: string[]) => (await failure(needsDatabase(argv))).message;
  const size = ["--class", "db.r7g.large"];
  expect(await wrong()).toBe(
    "the size of the server is not told, or twice\n  fix: Give --class db.r7g.large, or --memory 8GB --cpus 4.",
  );
  expect(await wrong(...size, "--memory", "8GB")).toMatch(/^the size of the server is not told, or twice/);
  expect(await wrong("--memory", "8GB")).toMatch(/^--cpus {2}is not a number/);
  expect(await wrong("--memory", "lots", "--cpus", "2")).toMatch(/^--memory lots is no amount of memory/);
  expect(await wrong("--class", "db.r99.large")).toMatch(/^the instance class db.r99.large is not known/);
  expect(await wrong(...size, "--workload", "web")).toMatch(/^there is no workload "web"/);
  expect(await wrong(...size, "--processes", "0")).toMatch(/^--processes 0 is not a number from 1 to 1000/);
  expect(await wrong(...size, "--dry-run")).toMatch(/^--dry-run is about --write FILE/);
  expect(await needsDatabase([...size, "--offline"])).toBe(false);
});
