/** What one key of the configuration may be. */
export interface Rule {
  type: "string" | "integer" | "boolean" | "object" | "array";
  default?: unknown;
  /** Says what is wrong with a value of the right type, and what would be right. */
  check?: (value: never) => { reason: string; fix: string } | undefined;
}

const between = (least: number, most: number, unit: string) => (value: number) =>
  value >= least && value <= most
    ? undefined
    : { reason: `it is not between ${least} and ${most}`, fix: `give ${unit} in that range` };

const oneOf =
  (...allowed: (string | number)[]) =>
  (value: string | number) =>
    allowed.includes(value)
      ? undefined
      : { reason: `it is none of ${allowed.join(", ")}`, fix: `set it to one of them` };

const matching = (pattern: RegExp, example: string) => (value: string) =>
  pattern.test(value)
    ? undefined
    : { reason: `it does not have the form ${pattern.source}`, fix: `write it like ${example}` };

const each = (pattern: RegExp, example: string) => (values: unknown[]) =>
  values.every((value) => typeof value === "string" && pattern.test(value))
    ? undefined
    : { reason: "an element does not have the right form", fix: `write each like ${example}` };

const scalars = (values: Record<string, unknown>) => {
  const wrong = Object.entries(values).find(
    ([name, value]) => !/^[a-z_][a-z0-9_.]*$/.test(name) || !["string", "number", "boolean"].includes(typeof value),
  );
  return wrong && { reason: `${wrong[0]} is not a parameter with a plain value`, fix: "write name: value, one a line" };
};

/**
 * Every key of the namespace `database`; Pulumi.yaml says the same to Pulumi, and a test compares the two.
 * Ports below 1024 want root; 63 bytes is PostgreSQL's limit for a name (NAMEDATALEN); RDS keeps backups up to 35 days
 * (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.BackupRetention.html).
 */
// biome-ignore format: one key, one line
export const rules: Record<string, Rule> = {
  server: { type: "string", default: "embedded", check: oneOf("embedded", "external", "rds") },
  version: { type: "integer", default: 17, check: oneOf(15, 16, 17, 18) },
  minimumVersion: { type: "integer", default: 15, check: oneOf(15, 16, 17, 18) },
  name: { type: "string", default: "investment", check: matching(/^[a-z_][a-z0-9_]{0,62}$/, "investment") },
  url: { type: "string", default: "" },
  port: { type: "integer", default: 54320, check: between(1024, 65535, "a port") },
  maxConnections: { type: "integer", default: 100, check: between(10, 5000, "a number of sessions") },
  memoryPercent: { type: "integer", default: 50, check: between(5, 90, "a percentage") },
  parameters: { type: "object", default: {}, check: scalars },
  finalBackup: { type: "boolean", default: true },
  restoreFrom: { type: "string", default: "" },
  lockTimeout: { type: "integer", default: 5000, check: between(100, 600_000, "milliseconds") },
  acceptDrift: { type: "string", default: "", check: matching(/^([0-9a-f]{12})?$/, "3fa9c0d1e2b4") },
  backupBefore: { type: "boolean", default: true },
  backupCount: { type: "integer", default: 5, check: between(1, 1000, "a number of backups") },
  autoRollback: { type: "boolean", default: true },
  slowdownFactor: { type: "integer", default: 3, check: between(2, 1000, "a factor") },
  concurrentIndexTimeout: { type: "integer", default: 60, check: between(1, 10_080, "minutes") },
  sampleData: { type: "boolean", default: false },
  instanceClass: { type: "string", default: "db.r7g.large", check: matching(/^db\.[a-z0-9]+\.[a-z0-9]+$/, "db.r7g.large") },
  allocatedStorage: { type: "integer", default: 100, check: between(20, 65536, "GiB") },
  maxAllocatedStorage: { type: "integer", default: 1000, check: between(20, 65536, "GiB") },
  multiAz: { type: "boolean", default: true },
  backupRetention: { type: "integer", default: 14, check: between(1, 35, "days") },
  subnetIds: { type: "array", default: [], check: each(/^subnet-[0-9a-f]+$/, "subnet-0a1b2c3d") },
  securityGroupIds: { type: "array", default: [], check: each(/^sg-[0-9a-f]+$/, "sg-0a1b2c3d") },
};
