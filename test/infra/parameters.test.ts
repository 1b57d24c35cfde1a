import { expect, test } from "@jest/globals";
import { embeddedSettings, parameters, rdsParameters } from "../../infra/parameters.ts";

const GiB = 1024 ** 3;
const machine = { memory: 8 * GiB, cpus: 4, maxConnections: 100 };

test("each parameter stands once, with a reason and a page", () => {
  const names = parameters.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  for (const { why, source } of parameters) {
    expect(why.length).toBeGreaterThan(10);
    expect(source).toMatch(/^https:\/\/(www\.postgresql\.org|docs\.aws\.amazon\.com)\//);
  }
});

test("an embedded server is sized to its machine", () => {
  expect(embeddedSettings(17, machine)).toMatchObject({
    shared_buffers: "2048MB",
    effective_cache_size: "6144MB",
    work_mem: "20971kB",
    maintenance_work_mem: "512MB",
    max_connections: "100",
    checkpoint_timeout: "900s",
    jit: "off",
  });
  expect(embeddedSettings(17, { ...machine, memory: GiB / 4 })).toMatchObject({
    shared_buffers: "128MB",
    work_mem: "4MB",
  });
});

test("what only RDS has stays out of an embedded server", () => {
  expect(Object.keys(embeddedSettings(17, machine)).filter((name) => name.startsWith("rds."))).toEqual([]);
});

// Of the parameters that PostgreSQL does not know (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html).
const onlyOnRds = ["rds.force_ssl"];

test("each name with a prefix of RDS is one that RDS has", () => {
  const named = parameters.map(({ name }) => name).filter((name) => name.startsWith("rds."));
  expect(named.filter((name) => !onlyOnRds.includes(name))).toEqual([]);
});

test.each([16, 17, 18])(
  "a parameter group of PostgreSQL %d holds bare numbers, words and RDS's formulas only",
  (version) => {
    const formula = /^\{[\w*/+\-(){},]+\}$/;
    for (const { name, value } of rdsParameters(version)) {
      const isPlain = /^(-?\d+(\.\d+)?|[a-z][a-z0-9_-]*(,[a-z][a-z0-9_-]*)*)$/.test(value);
      expect([name, value, isPlain || formula.test(value)]).toEqual([name, value, true]);
      const variables = Array.from(value.matchAll(/[A-Za-z]{6,}/g), ([word]) => word);
      if (formula.test(value))
        for (const variable of variables)
          expect(["DBInstanceClassMemory", "DBInstanceVCPU", "GREATEST"]).toContain(variable);
    }
  },
);

test("RDS gets formulas of the instance class, and static parameters at a reboot", () => {
  const group = new Map(rdsParameters(17).map((entry) => [entry.name, entry]));
  expect(group.get("shared_buffers")).toEqual({
    name: "shared_buffers",
    value: "{DBInstanceClassMemory/32768}",
    applyMethod: "pending-reboot",
  });
  expect(group.get("rds.force_ssl")).toEqual({ name: "rds.force_ssl", value: "1", applyMethod: "immediate" });
  expect(group.get("jit")?.value).toBe("0");
  expect(group.has("max_connections")).toBe(false);
});

test("an override wins, in both", () => {
  const overrides = { work_mem: "64MB", "auto_explain.log_analyze": true };
  expect(embeddedSettings(17, machine, overrides)).toMatchObject({
    work_mem: "64MB",
    "auto_explain.log_analyze": "on",
  });
  expect(rdsParameters(17, { work_mem: 65536 }).find(({ name }) => name === "work_mem")?.value).toBe("65536");
});
