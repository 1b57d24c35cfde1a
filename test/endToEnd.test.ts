import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { parseConnectionString, withClient } from "../toolkit/connection.ts";
import { type Finished, makeProject, type Project } from "./support/project.ts";

/** The state, as the engine wrote it. */
interface State {
  deployment: { resources: { type: string; outputs?: Record<string, unknown>; inputs?: Record<string, unknown> }[] };
}

const minutes = 60_000;
const stateOf = (project: Project): string => readFileSync(join(project.folder, ".local/local/state.json"), "utf8");
const resources = (project: Project) => (JSON.parse(stateOf(project)) as State).deployment.resources;

function outputsOf(project: Project, type: string): Record<string, unknown> {
  return resources(project).find((resource) => resource.type.endsWith(`:${type}`))!.outputs!;
}

async function connectionOf(project: Project) {
  const { stdout } = await project.run("output", "connectionString", "--show-secrets");
  return parseConnectionString(stdout.trim());
}

/** What must survive anything: how many rows each table has, and a checksum of all prices. */
async function contents(project: Project): Promise<unknown> {
  const { rows } = await withClient(await connectionOf(project), {}, (client) =>
    client.query(
      `select (select count(*)::int from stocks) as stocks,
              (select count(*)::int from technical_indicators) as indicators,
              count(*)::int as prices,
              md5(string_agg(concat_ws(',', symbol, date, open, high, low, close, volume), ';' order by symbol, date)) as checksum
         from price_history join stocks on stocks.id = stock_id`,
    ),
  );
  return rows[0];
}

function killServer(project: Project): void {
  const [pid] = readFileSync(join(project.folder, ".local/local/data/postmaster.pid"), "utf8").split("\n");
  process.kill(Number(pid), "SIGKILL");
}

function succeeded({ code, stderr }: Finished): void {
  if (code !== 0) throw new Error(`exit code ${code}:\n${stderr}`);
}

let project: Project;
let complete: { fingerprint: unknown; contents: unknown };

beforeAll(async () => {
  project = await makeProject({ copy: true });
}, 5 * minutes);

afterAll(() => project.remove(), minutes);

test("preview of a new stack names every pending migration and touches nothing", async () => {
  const preview = await project.run("preview");
  succeeded(preview);
  expect(preview.stderr).toContain("0001_initial_schema");
  expect(preview.stderr).toMatch(/\+ \d+ to create/);
  expect(() => statSync(join(project.folder, ".local"))).toThrow("ENOENT");
});

test(
  "up makes a server with the schema at its head and real prices in it",
  async () => {
    const up = await project.run("up");
    succeeded(up);
    expect(up.stderr).toMatch(/\+ 4 created/);
    complete = { fingerprint: outputsOf(project, "Migrations").fingerprint, contents: await contents(project) };
    expect(complete.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(complete.contents).toMatchObject({ stocks: 6, prices: 5105 + 560 });
  },
  3 * minutes,
);

test("the state is private, and no secret stands in it or in what was printed", async () => {
  const { password } = await connectionOf(project);
  expect(password.length).toBeGreaterThan(20);
  expect(stateOf(project)).not.toContain(password);
  expect(statSync(join(project.folder, ".local/local/state.json")).mode & 0o777).toBe(0o600);
  const preview = await project.run("preview", "--diff", "--json");
  expect(preview.stdout + preview.stderr).not.toContain(password);
  const masked = await project.run("output");
  expect(masked.stdout).not.toContain(password);
  const processes = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
  expect(processes).not.toContain(password);
});

test(
  "a second up changes nothing and says so",
  async () => {
    const before = stateOf(project);
    const up = await project.run("up");
    succeeded(up);
    expect(up.stderr).toMatch(/4 unchanged|4 resources unchanged/);
    expect(outputsOf(project, "Migrations")).toEqual(
      (JSON.parse(before) as State).deployment.resources.find(({ type }) => type.endsWith(":Migrations"))!.outputs,
    );
    succeeded(await project.run("preview", "--expect-no-changes"));
  },
  minutes,
);

test(
  "a server that was killed is noticed by preview and started again by up, with every row",
  async () => {
    killServer(project);
    const preview = await project.run("preview", "--expect-no-changes");
    expect(preview.code).toBe(1);
    expect(preview.stderr).toMatch(/not running/);
    succeeded(await project.run("up"));
    expect(await contents(project)).toEqual(complete.contents);
  },
  minutes,
);

test(
  "refresh finds what is there and changes nothing",
  async () => {
    succeeded(await project.run("refresh"));
    succeeded(await project.run("preview", "--expect-no-changes"));
  },
  minutes,
);

test(
  "the provider and the server killed at one point after the other: the last up finishes the job",
  async () => {
    const other = await makeProject({ copy: true });
    try {
      execFileSync("sh", ["-c", 'echo "export const changed = 1;" >> toolkit/errors.ts'], { cwd: other.folder });
      for (const point of killPoints) {
        const { finished, said } = other.start("up");
        await said(point);
        killProvider(other);
        killServer(other);
        const { code, stderr } = await finished;
        expect({ point, code, stderr }).toEqual({ point, code: 1, stderr });
        expect(stderr).toMatch(/run `up` again: it goes on/);
      }
      succeeded(await other.run("up"));
      const end = { fingerprint: outputsOf(other, "Migrations").fingerprint, contents: await contents(other) };
      expect(end).toEqual(complete);

      // Another folder, another toolkit, and crashes: and the serialised providers are the same, byte for byte.
      expect(providers(other)).toEqual(providers(project));
      expect(providers(other)).toHaveLength(3);
      for (const source of providers(other) as string[]) expect(source).not.toMatch(/\/tmp|file:|password/);
    } finally {
      await other.remove();
    }
  },
  5 * minutes,
);

// What is said when a step is half done: the server made, a migration, a partitioned table, the prices.
const killPoints = ["creating the database", "applied 0003_", "applied 0018_", "SampleData prices creating"];

const providers = (from: Project) => resources(from).flatMap(({ inputs }) => inputs?.__provider ?? []);

/** The folder in which a process works; undefined where it has ended since, or may not be seen. */
function folderOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

/** Kills the dynamic provider process that works in this project. */
function killProvider(from: Project): void {
  const processes = execFileSync("ps", ["-eo", "pid,args"], { encoding: "utf8" }).split("\n");
  for (const line of processes) {
    const [pid, ...args] = line.trim().split(/\s+/);
    if (!args.join(" ").includes("dynamic-provider")) continue;
    if (folderOf(pid!) === from.folder) process.kill(Number(pid), "SIGKILL");
  }
}

test(
  "destroy asks first, then keeps a final backup from which a new server starts",
  async () => {
    succeeded(await project.run("up", "-c", "database:finalBackup=true"));
    const refused = await project.run("destroy");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/--yes/);
    const destroyed = await project.run("destroy", "--yes");
    succeeded(destroyed);
    const [backup] = /\S*backups\/final-\S+/.exec(destroyed.stderr) ?? [];
    expect(backup).toBeDefined();
    succeeded(await project.run("up", "-c", `database:restoreFrom=${backup}`, "-c", "database:finalBackup=false"));
    expect(await contents(project)).toEqual(complete.contents);
  },
  2 * minutes,
);
