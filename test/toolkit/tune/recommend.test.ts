import { expect, test } from "@jest/globals";
import { instanceClasses } from "../../../toolkit/rds/classes.ts";
import type { Evidence, Setting } from "../../../toolkit/tune/evidence.ts";
import { poolSizes } from "../../../toolkit/tune/pool.ts";
import { recommend, type Target } from "../../../toolkit/tune/recommend.ts";
import { rules, workloads } from "../../../toolkit/tune/rules.ts";
import { parseMemory, readable } from "../../../toolkit/tune/units.ts";

function target(name: string, workload: Target["workload"], rest: Partial<Target> = {}): Target {
  const { memory, vcpus } = instanceClasses[name]!;
  return { memory, cpus: vcpus, workload, processes: 1, ...rest };
}

/** What is recommended, by name. */
const valuesOf = (what: Target, live?: Parameters<typeof recommend>[1]) =>
  Object.fromEntries(recommend(what, live).parameters.map(({ name, recommended }) => [name, recommended]));

test("db.t4g.medium, OLTP", () => {
  expect(valuesOf(target("db.t4g.medium", "oltp"))).toEqual({
    max_connections: "100",
    shared_buffers: "1GB",
    work_mem: "9709kB",
    maintenance_work_mem: "256MB",
    effective_io_concurrency: "200",
    max_worker_processes: "8",
    max_parallel_workers: "2",
    max_parallel_workers_per_gather: "1",
    max_parallel_maintenance_workers: "1",
    checkpoint_timeout: "900s",
    max_wal_size: "8GB",
    min_wal_size: "2GB",
    random_page_cost: "1.1",
    effective_cache_size: "3GB",
    default_statistics_target: "200",
    jit: "off",
    autovacuum_vacuum_cost_limit: "2000",
  });
});

test("db.r7g.large, mixed", () => {
  expect(valuesOf(target("db.r7g.large", "mixed"))).toEqual({
    max_connections: "100",
    shared_buffers: "4GB",
    work_mem: "19MB",
    maintenance_work_mem: "1GB",
    effective_io_concurrency: "200",
    max_worker_processes: "8",
    max_parallel_workers: "2",
    max_parallel_workers_per_gather: "1",
    max_parallel_maintenance_workers: "1",
    checkpoint_timeout: "900s",
    max_wal_size: "4GB",
    min_wal_size: "1GB",
    random_page_cost: "1.1",
    effective_cache_size: "12GB",
    default_statistics_target: "200",
    jit: "off",
    autovacuum_vacuum_cost_limit: "2000",
  });
});

test("db.r7g.4xlarge, analytics, six processes", () => {
  expect(valuesOf(target("db.r7g.4xlarge", "analytics", { processes: 6 }))).toEqual({
    max_connections: "100",
    shared_buffers: "16GB",
    work_mem: "165MB",
    maintenance_work_mem: "2GB",
    effective_io_concurrency: "200",
    max_worker_processes: "16",
    max_parallel_workers: "16",
    max_parallel_workers_per_gather: "8",
    max_parallel_maintenance_workers: "4",
    checkpoint_timeout: "900s",
    max_wal_size: "16GB",
    min_wal_size: "4GB",
    random_page_cost: "1.1",
    effective_cache_size: "96GB",
    default_statistics_target: "500",
    jit: "on",
    autovacuum_vacuum_cost_limit: "4000",
  });
});

test("pools share what the processors can serve, and the server holds them twice with the headroom", () => {
  const sizes = (cpus: number, processes: number, connections?: number) => {
    const { min, max, total, maxConnections } = poolSizes({
      cpus,
      workload: "oltp",
      processes,
      ...(connections && { connections }),
    });
    return { min, max, total, maxConnections };
  };
  expect(sizes(2, 1)).toEqual({ min: 3, max: 5, total: 5, maxConnections: 100 });
  expect(sizes(16, 4)).toEqual({ min: 5, max: 9, total: 36, maxConnections: 100 });
  expect(sizes(64, 10)).toEqual({ min: 7, max: 13, total: 130, maxConnections: 290 });
  expect(sizes(2, 20)).toEqual({ min: 1, max: 2, total: 40, maxConnections: 110 });
  expect(sizes(4, 3, 100)).toEqual({ min: 17, max: 33, total: 99, maxConnections: 230 });
});

const quiet: Evidence = {
  since: null,
  sessions: 5,
  tempFiles: 0,
  tempBytes: 0,
  missShare: 0,
  databaseBytes: 1024 ** 3,
  checkpointsTimed: 100,
  checkpointsRequested: 0,
  tablesBehind: 0,
};

/** A server that has all that the rules recommend. */
function asRecommended(what: Target): Map<string, Setting> {
  const settings = recommend(what).parameters.map(({ name, value }) => {
    const setting = typeof value === "boolean" ? readable(value) : String(value);
    return [name, { name, setting, unit: null, restart: false }] as const;
  });
  return new Map(settings);
}

test("a quiet server that has what is recommended is left alone, in every class and workload", () => {
  for (const name of Object.keys(instanceClasses))
    for (const workload of workloads) {
      const what = target(name, workload);
      const { parameters } = recommend(what, { settings: asRecommended(what), evidence: quiet });
      expect(parameters.filter(({ change }) => change)).toEqual([]);
    }
});

test("what RDS counts a little differently, and what is larger to no harm, stays", () => {
  const what = target("db.r7g.large", "mixed");
  const settings = asRecommended(what);
  settings.get("shared_buffers")!.setting = String(Math.floor((0.93 * 16 * 1024 ** 3) / 4 / 8192));
  settings.get("max_wal_size")!.setting = "16384";
  settings.get("random_page_cost")!.setting = "4";
  const changes = recommend(what, { settings, evidence: quiet }).parameters.filter(({ change }) => change);
  expect(changes.map(({ name, today, recommended }) => [name, today, recommended])).toEqual([
    ["random_page_cost", "4", "1.1"],
  ]);
});

test("each kind of evidence corrects its rule, and says why", () => {
  const what = target("db.r7g.large", "mixed");
  const corrected = (evidence: Partial<Evidence>) =>
    recommend(what, { settings: asRecommended(what), evidence: { ...quiet, ...evidence } })
      .parameters.filter(({ evidence: because }) => because)
      .map(({ name, recommended, evidence: because }) => [name, recommended, because]);
  expect(corrected({ sessions: 200 })).toEqual([
    ["max_connections", "250", "200 sessions are open now, and a quarter more has to fit"],
  ]);
  expect(corrected({ missShare: 0.2, databaseBytes: 100 * 1024 ** 3 })).toEqual([
    [
      "shared_buffers",
      "6554MB",
      "20 % of the blocks were not found in it, and the database is larger: 40 % of memory is the documented most",
    ],
  ]);
  expect(corrected({ missShare: 0.2 })).toEqual([]);
  expect(corrected({ tempFiles: 50, tempBytes: 50 * 30 * 1024 ** 2 })).toEqual([
    ["work_mem", "64MB", "50 temporary files of 30MB on average were written since the counters began"],
  ]);
  // Never more than all sessions of the pools can have at once.
  expect(corrected({ tempFiles: 50, tempBytes: 50 * 1024 ** 4 })[0]!.slice(0, 2)).toEqual(["work_mem", "819MB"]);
  expect(corrected({ checkpointsRequested: 50 })).toEqual([
    ["max_wal_size", "8GB", "50 of 150 checkpoints were asked for before their time"],
  ]);
  expect(corrected({ checkpointsTimed: 9, checkpointsRequested: 9 })).toEqual([]);
  expect(corrected({ tablesBehind: 1 })).toEqual([
    ["autovacuum_vacuum_cost_limit", "4000", "autovacuum is behind on 1 table"],
  ]);
});

test("every rule has a reason and pages", () => {
  for (const { why, source } of rules) {
    expect(why.length).toBeGreaterThan(20);
    for (const page of source.split(", ")) expect(() => new URL(page)).not.toThrow();
  }
});

test("memory is read and shown as PostgreSQL does", () => {
  expect(["8GB", "512MB", "1.5 TiB", "8", "0GB", "-1GB", "8XB"].map(parseMemory)).toEqual([
    8 * 1024 ** 3,
    512 * 1024 ** 2,
    1.5 * 1024 ** 4,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect([readable(131072, "8kB"), readable(4096, "kB"), readable(9709, "kB"), readable(true), readable(4)]).toEqual([
    "1GB",
    "4MB",
    "9709kB",
    "on",
    "4",
  ]);
});
