import { expect, test } from "@jest/globals";
import { estimateCost } from "../../infra/cost.ts";
import { gp3Baseline, hoursPerMonth, prices, pricesAsOf, pricingPage } from "../../infra/costPrices.ts";
import { secret, unknownValue } from "../../infra/engine/wire.ts";
import { primary, replica, resource } from "./policy/resources.ts";

const region = "us-east-1";

/** The amounts of an estimate by line, rounded to cents. */
const amounts = (...args: Parameters<typeof estimateCost>) =>
  Object.fromEntries(
    estimateCost(...args).lines.map(({ what, monthly }) => [
      what,
      monthly === undefined ? "unknown" : monthly.toFixed(2),
    ]),
  );

test("a standby doubles the instance and its storage, and nothing else", () => {
  const single = amounts([primary({ multiAz: false })], region);
  // db.r7g.large 0.239 an hour, 200 GiB gp3 0.115, and 14 days of 2 % of 200 GiB for 0.095.
  expect(single).toEqual({ "instance server": "174.47", "storage of server": "23.00", "backups of server": "5.32" });
  expect(amounts([primary()], region)).toEqual({
    "instance server": "348.94",
    "storage of server": "46.00",
    "backups of server": "5.32",
  });
});

test("an unknown class, storage type or region has no amount, and the total says that it is too low", () => {
  expect(amounts([primary({ instanceClass: "db.z9.large" })], region)["instance server"]).toBe("unknown");
  expect(amounts([primary({ instanceClass: unknownValue })], region)["instance server"]).toBe("unknown");
  expect(amounts([primary({ storageType: "tape" })], region)["storage of server"]).toBe("unknown");
  expect(amounts([primary()], "mars-north-1")).toEqual({ "instance server": "unknown" });
  expect(amounts([primary()], undefined)).toEqual({ "instance server": "unknown" });
  expect(estimateCost([primary({ instanceClass: "db.z9.large" })], region)).toMatchObject({ incomplete: true });
  expect(estimateCost([primary()], region)).toMatchObject({ incomplete: false, total: expect.closeTo(400.26, 2) });
});

test("IOPS and throughput cost what goes beyond gp3's baseline", () => {
  const paid = amounts(
    [primary({ multiAz: false, allocatedStorage: 400, iops: 13_000, storageThroughput: 600 })],
    region,
  );
  expect(paid).toMatchObject({ "IOPS of storage of server": "20.00", "MiB/s of storage of server": "8.00" });
  expect(amounts([primary({ iops: 3_000, storageThroughput: 125 })], region)).not.toHaveProperty(
    "IOPS of storage of server",
  );
  expect(gp3Baseline(399).iops).toBeLessThan(gp3Baseline(400).iops);
});

test("a replica has its source's storage, its own class and region, and no backups", () => {
  expect(amounts([primary({ multiAz: false }), replica()], region)).toMatchObject({
    "replica replica": "174.47",
    "storage of replica": "23.00",
  });
  const abroad = replica({
    region: "eu-west-1",
    replicateSourceDb: "arn:aws:rds:us-east-1:123456789012:db:database-prod",
    instanceClass: "db.r7g.xlarge",
  });
  expect(amounts([primary(), abroad], region)).toMatchObject({
    "replica replica": (prices["eu-west-1"]!.instance["r7g.xlarge"]! * hoursPerMonth).toFixed(2),
    "storage of replica": "25.40",
  });
  expect(amounts([primary(), abroad], region)).not.toHaveProperty("backups of replica");
});

test("a backup plan keeps one whole point and the changes of the others; copies cost their own region's price", () => {
  const vault = resource("aws:backup/vault:Vault", { region: "eu-west-1" }, { name: "server-copy" });
  const rule = { schedule: "cron(0 3 * * ? *)", lifecycle: { deleteAfter: 3 } };
  const plan = resource("aws:backup/plan:Plan", { rules: [rule] });
  // 200 GiB whole, and twice 2 % of them.
  expect(amounts([primary(), plan], region)["AWS Backup plan server"]).toBe((208 * 0.095).toFixed(2));
  const copied = {
    ...plan,
    props: { rules: [{ ...rule, copyActions: [{ destinationVaultArn: unknownValue }] }] },
    propertyDependencies: { rules: [vault.urn] },
  };
  expect(amounts([primary(), copied, vault], region)).toMatchObject({
    "copies of its backups in eu-west-1": (208 * prices["eu-west-1"]!.backup).toFixed(2),
  });
  const odd = resource("aws:backup/plan:Plan", { rules: [{ ...rule, schedule: "rate(6 hours)" }] });
  expect(amounts([primary(), odd], region)["AWS Backup plan server"]).toBe("unknown");
});

test("things with a flat price are counted", () => {
  const alarms = ["a", "b", "c"].map((name) => resource("aws:cloudwatch/metricAlarm:MetricAlarm", {}, { name }));
  expect(amounts([...alarms, resource("aws:kms/key:Key", {})], region)).toEqual({
    alarms: "0.30",
    "encryption keys": "1.00",
  });
  expect(amounts([primary({ manageMasterUserPassword: true, password: secret("x") })], region)).toMatchObject({
    "password of server": "0.40",
  });
});

test("each region has a price for the same classes and storage, and larger is dearer", () => {
  const [first, ...others] = Object.values(prices);
  for (const other of others) {
    expect(Object.keys(other.instance)).toEqual(Object.keys(first!.instance));
    expect(Object.keys(other.storage)).toEqual(Object.keys(first!.storage));
  }
  for (const { instance } of Object.values(prices)) {
    expect(instance["r7g.xlarge"]).toBeCloseTo(2 * instance["r7g.large"]!, 3);
    expect(instance["t4g.micro"]!).toBeLessThan(instance["t4g.small"]!);
    expect(instance["m7g.large"]!).toBeLessThan(instance["r7g.large"]!);
  }
  expect(pricesAsOf).toMatch(/^\d{4}-\d{2}$/);
  expect(pricingPage).toMatch(/^https:\/\/aws\.amazon\.com\//);
});

test("the advanced mode of Database Insights costs by vCPU", () => {
  const insights = (instanceClass: string) =>
    amounts([primary({ databaseInsightsMode: "advanced", instanceClass })], region)["Database Insights of server"];
  expect(insights("db.t4g.micro")).toBe("18.25");
  expect(insights("db.r7g.xlarge")).toBe("36.50");
  expect(insights("db.r7g.8xlarge")).toBe("292.00");
  expect(insights("db.z9.large")).toBe("unknown");
});
