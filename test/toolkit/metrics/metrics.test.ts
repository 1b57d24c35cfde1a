import { spawnSync } from "node:child_process";
import type { Server } from "node:http";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import type { Context } from "../../../toolkit/cli.ts";
import { command, needsDatabase } from "../../../toolkit/metrics/command.ts";
import { exposition } from "../../../toolkit/metrics/exposition.ts";
import { most } from "../../../toolkit/metrics/samples.ts";
import { parseAddress, scrape, serveMetrics } from "../../../toolkit/metrics/server.ts";
import { metrics } from "../../../toolkit/metrics/table.ts";
import { Sampler } from "../../../toolkit/status/sampler.ts";
import { hostileName, type Ill, makeIll } from "../status/illness.ts";

let ill: Ill;
let sampler: Sampler;
const context = { backup: { kind: "auto", directory: "" } } as Context;

beforeAll(async () => {
  ill = await makeIll();
  sampler = new Sampler(ill.connection, {}, "metrics");
});
afterAll(async () => {
  sampler.close();
  await ill.cure();
});
afterEach(() => {
  jest.restoreAllMocks();
});

async function run(argv: string[], on = ill.connection) {
  const seen = { code: 0, output: "", said: "" };
  const keep = (key: "output" | "said") => (text: unknown) => {
    seen[key] += text;
    return true;
  };
  jest.spyOn(process.stdout, "write").mockImplementation(keep("output"));
  jest.spyOn(process.stderr, "write").mockImplementation(keep("said"));
  seen.code = await command(argv, on, context);
  return seen;
}

/** The samples of a metric, by their labels as Prometheus writes them. */
function samples(text: string, name: string): Record<string, number> {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`));
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(name.length + 1, line.lastIndexOf("}")),
      Number(line.slice(line.lastIndexOf(" "))),
    ]),
  );
}

test("metrics --once prints each figure with its database, and zero where there is nothing", async () => {
  const { code, output } = await run(["--once"]);
  const datname = `datname="${ill.connection.database}"`;
  expect(code).toBe(0);
  expect(samples(output, "pg_up")).toEqual({ [datname]: 1 });
  expect(samples(output, "pg_locks_waiting_sessions")).toEqual({ [datname]: 2 });
  expect(samples(output, "pg_sequence_used_percent")).toEqual({
    [`sequence="public.narrow",${datname}`]: expect.closeTo(97.66, 1),
  });
  expect(samples(output, "pg_stat_activity_count")).toMatchObject({
    [`state="idle in transaction",${datname}`]: 1,
    [`state="fastpath function call",${datname}`]: 0,
  });
  expect(samples(output, "pg_findings")).toMatchObject({ [`question="sequences",severity="critical",${datname}`]: 1 });
  // Ages of other databases carry their own names.
  expect(samples(output, "pg_database_wraparound_age_transactions")).toMatchObject({
    'datname="template1"': expect.any(Number),
  });
  expect(output).not.toMatch(/NaN|undefined|hunter2/);
  expect(output).toContain(`table="public.\\"${hostileName}\\""`);
});

const promtool = spawnSync("promtool", ["--version"]).status === 0 ? test : test.skip;

promtool(
  "promtool reads the metrics, and minds only a name of postgres_exporter and a unit of the thresholds",
  async () => {
    const { text } = await exposition({ taken: await sampler.sample(), database: "d", seconds: 0 });
    const { stderr } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
    expect(stderr.trim().split("\n")).toEqual([
      'pg_partition_ahead_days use base unit "seconds" instead of "days"',
      'pg_stat_activity_count non-histogram and non-summary metrics should not have "_count" suffix',
    ]);
  },
);

test("names and labels are what they say, and no metric is told twice", () => {
  expect(new Set(metrics.map(({ name }) => name)).size).toBe(metrics.length);
  for (const { name, type, help } of metrics) {
    expect(name.endsWith("_total")).toBe(type === "counter");
    expect(help).toMatch(/\.$/);
  }
});

test("hundreds of tables have no more series than some, the worst of them", async () => {
  await ill.client.query(`do $$ begin
    for n in 1..120 loop execute format('create table many_%s (id int) with (autovacuum_enabled = off)', n); end loop;
  end $$`);
  const { text } = await exposition({ taken: await sampler.sample(), database: "d", seconds: 0 });
  const scores = Object.values(samples(text, "pg_table_health_score"));
  expect(scores.length).toBe(most);
  expect(new Set(scores)).toEqual(new Set([80]));
});

async function served(read: Parameters<typeof serveMetrics>[1], use: (url: string) => Promise<void>): Promise<void> {
  const server: Server = await serveMetrics({ host: "127.0.0.1", port: 0 }, read);
  try {
    await use(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test("the server answers /metrics alone, and scrapes at the same time share one look at the database", async () => {
  let looks = 0;
  const read = () => {
    looks++;
    return scrape(sampler, ill.connection.database, () => {});
  };
  await served(read, async (url) => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(`${url}/metrics`)));
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    expect([new Set(texts).size, looks]).toEqual([1, 1]);
    expect(answers[0]!.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    await (await fetch(`${url}/metrics`)).text();
    expect(looks).toBe(2);
    expect((await fetch(`${url}/etc/passwd`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: "POST" })).status).toBe(405);
  });
});

test("a database that is gone is pg_up 0 and nothing else, and it is 1 again after a session was cut", async () => {
  const said: string[] = [];
  const database = ill.connection.database;
  await served(
    () => scrape(sampler, database, (line) => said.push(line)),
    async (url) => {
      await ill.client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'metrics' and datname = current_database()",
      );
      const cut = await (await fetch(`${url}/metrics`)).text();
      expect(samples(cut, "pg_up")).toEqual({ [`datname="${database}"`]: 0 });
      expect(cut.match(/^pg_\w+/gm)).toEqual(["pg_up", "pg_exporter_last_scrape_duration_seconds"]);
      expect(samples(await (await fetch(`${url}/metrics`)).text(), "pg_up")).toEqual({ [`datname="${database}"`]: 1 });
      expect(said).toEqual([expect.stringMatching(/^the database does not answer: /)]);
    },
  );
  const { code, output, said: why } = await run(["--once"], { ...ill.connection, port: 1 });
  expect([code, samples(output, "pg_up")]).toEqual([1, { [`datname="${database}"`]: 0 }]);
  expect(why).toContain("no PostgreSQL answers");
});

test("an address is HOST:PORT, and one that is taken is told", async () => {
  expect([parseAddress("127.0.0.1:9187"), parseAddress("[::1]:0"), parseAddress(":80")]).toEqual([
    { host: "127.0.0.1", port: 9187 },
    { host: "::1", port: 0 },
    { host: "0.0.0.0", port: 80 },
  ]);
  expect(() => parseAddress("9187")).toThrow("--listen 9187 is no address");
  await served(
    () => scrape(sampler, "", () => {}),
    async (url) => {
      const port = Number(new URL(url).port);
      await expect(run(["--listen", `127.0.0.1:${port}`])).rejects.toThrow(`cannot listen on 127.0.0.1:${port}
  why: listen EADDRINUSE: address already in use 127.0.0.1:${port}.
  fix: Name another address with --listen.`);
    },
  );
});

test("wrong usage is told before any database is asked", async () => {
  const refused = (argv: string[]) => needsDatabase(argv).catch((error: Error) => error.message.split("\n")[0]);
  expect(await refused(["--once", "--rules"])).toBe("--once and --rules contradict each other");
  expect(await refused(["--cloudwatch", "AWS/RDS", "--region", "eu-west-1"])).toBe(
    '"AWS/RDS" is no namespace of CloudWatch',
  );
  expect(await refused(["--cloudwatch", "Investment"])).toBe("the region of CloudWatch is not said");
  expect(await refused(["--interval", "5"])).toBe("--interval means nothing without --cloudwatch");
  expect(await refused(["--cloudwatch", "x", "--region", "r", "--interval", "0.1"])).toBe(
    "--interval 0.1 is not accepted",
  );
  expect(await refused(["--threshold", "locks.wait=1"])).toMatch(/^--threshold: there is no threshold locks\.wait/);
  expect(await refused([])).toBe(true);
});
