import { availableParallelism, totalmem } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { type Rule, rules } from "./configKeys.ts";
import { findContradictions, type Values } from "./contradictions.ts";
import type { Machine } from "./parameters.ts";
import type { RoleLimits } from "./roles/table.ts";

/** The stack's configuration, validated as a whole. */
export interface Config {
  server: "embedded" | "external" | "rds";
  version: number;
  minimumVersion: number;
  name: string;
  /** Where an external server is; a secret. */
  url?: pulumi.Output<string>;
  port: number;
  machine: Machine;
  parameters: Record<string, string | number | boolean>;
  finalBackup: boolean;
  restoreFrom?: string;
  lockTimeout: number;
  migrateTo: string;
  acceptDrift: string;
  backupBefore: boolean;
  backupCount: number;
  autoRollback: boolean;
  slowdownFactor: number;
  concurrentIndexTimeout: number;
  sampleData: boolean;
  /** Limits of `toolkit check`, by name. */
  thresholds: Record<string, number>;
  /** auto: managed on rds, none elsewhere. */
  roles: "auto" | "managed" | "none";
  /** The database's name, if empty. */
  rolePrefix: string;
  roleLimits: RoleLimits;
  rolePasswordVersion: number;
  extensions: string[];
  /** Where an rds server is; from `aws:region`, or the environment as AWS's tools read it. */
  region?: string;
  instanceClass: string;
  allocatedStorage: number;
  maxAllocatedStorage: number;
  iops: number;
  storageThroughput: number;
  encryptionKey: string;
  multiAz: boolean;
  masterPassword: "managed" | "own";
  passwordVersion: number;
  iamAuthentication: boolean;
  caCertificate: string;
  deletionProtection: boolean;
  retainOnDelete: boolean;
  maintenanceWindow: string;
  autoMinorVersionUpgrade: boolean;
  allowMajorVersionUpgrade: boolean;
  blueGreen: boolean;
  applyImmediately: boolean;
  databaseInsights: "standard" | "advanced";
  monitoringInterval: number;
  logRetention: number;
  alarmEmails: string[];
  subnetIds: string[];
  securityGroupIds: string[];
  vpcCidr: string;
  zones: string[];
  replicas: Replica[];
  backupRetention: number;
  backupWindow: string;
  dailyBackups: number;
  weeklyBackups: number;
  monthlyBackups: number;
  backupCopyRegion: string;
  vaultLock: boolean;
  restoreTesting: boolean;
  /** Of the operator: a tag or digest in the stack's own repository, or another image; empty for none. */
  operatorImage: string;
  maintenanceSchedule: string;
  maintenanceTimeZone: string;
  /** Minutes. */
  metricsInterval: number;
}

/** A read replica; what the configuration leaves out is filled in. */
export interface Replica {
  name: string;
  /** The primary's class, if left out. */
  class: string;
  /** The primary's region, if left out. */
  region: string;
  /** An availability zone; RDS chooses one, if left out. */
  zone?: string;
  /** Its share of the reads, beside the weights of the others; 1, if left out. */
  weight: number;
  /** Who is promoted first when the primary is lost, the lowest; 1, if left out. RDS itself promotes none. */
  promotionTier: number;
  /** In another region: private subnets; none for a VPC of its own. */
  subnetIds: string[];
  /** In another region: the security groups that may connect. */
  securityGroupIds: string[];
  /** In another region: the key there; one is made, if left out. */
  kmsKeyArn?: string;
}

const namespace = "database";

/** Reads one raw value as its type; undefined when it is not of that type. */
function parse(rule: Rule, raw: string): unknown {
  switch (rule.type) {
    case "string":
      return raw;
    case "integer":
      return /^-?\d+$/.test(raw) ? Number(raw) : undefined;
    case "boolean":
      return raw === "true" ? true : raw === "false" ? false : undefined;
    default: {
      try {
        const value: unknown = JSON.parse(raw);
        const isArray = Array.isArray(value);
        return (rule.type === "array" ? isArray : !isArray && typeof value === "object") ? value : undefined;
      } catch {
        return undefined;
      }
    }
  }
}

const entry = (key: string, value: unknown, reason: string, fix: string) =>
  `${key.includes(":") ? key : `${namespace}:${key}`} = ${typeof value === "string" ? value || '""' : JSON.stringify(value)}: ${reason}; ${fix}`;

/**
 * Reads and validates the whole configuration of the stack.
 * @throws pulumi.RunError that lists every mistake at once: key, value, reason, fix
 */
export function loadConfig(all: Record<string, string> = pulumi.runtime.allConfig()): Config {
  const raw: Record<string, string> = {};
  const mistakes: string[] = [];
  for (const [name, value] of Object.entries(all)) {
    if (!name.startsWith(`${namespace}:`)) continue;
    const key = name.slice(namespace.length + 1);
    if (rules[key]) raw[key] = value;
    else mistakes.push(entry(key, value, "there is no such key", `use one of ${Object.keys(rules).join(", ")}`));
  }

  const values: Record<string, unknown> = {};
  const right = new Set<string>(["region"]);
  for (const [key, rule] of Object.entries(rules)) {
    const value = raw[key] === undefined ? rule.default : parse(rule, raw[key]);
    values[key] = value;
    const wrong =
      value === undefined
        ? [{ value: raw[key], reason: `it is not of type ${rule.type}`, fix: `write ${article(rule.type)}` }]
        : [rule.check?.(value as never) ?? []].flat().map((found) => ({ value, ...found }));
    for (const found of wrong) mistakes.push(entry(key, found.value, found.reason, found.fix));
    if (wrong.length === 0) right.add(key);
  }

  const { AWS_REGION, AWS_DEFAULT_REGION, DATABASE_URL } = process.env;
  const region = all["aws:region"] || AWS_REGION || AWS_DEFAULT_REGION || "";
  const complete = { ...values, region, url: values.url || DATABASE_URL || "" } as Values;
  if (right.has("replicas") && right.has("instanceClass")) complete.replicas = complete.replicas.map(fillIn(complete));
  for (const { key, value, reason, fix } of findContradictions(complete, right))
    mistakes.push(entry(key, value, reason, fix));
  if (mistakes.length > 0)
    throw new pulumi.RunError(
      `the configuration of stack ${pulumi.getStack()} has mistakes:\n  ${mistakes.join("\n  ")}`,
    );

  const { url, maxConnections, memoryPercent, restoreFrom, ...rest } = complete;
  return {
    ...rest,
    ...(rest.server === "external" && { url: pulumi.secret(url) }),
    ...(restoreFrom && { restoreFrom }),
    machine: {
      memory: Math.floor((memoryOfMachine() * memoryPercent) / 100),
      cpus: availableParallelism(),
      maxConnections,
    },
  };
}

/** Fills in what a replica leaves to the primary and to the defaults. */
function fillIn({ instanceClass, region }: Values) {
  const defaults = { class: instanceClass, region, weight: 1, promotionTier: 1, subnetIds: [], securityGroupIds: [] };
  return (given: Partial<Replica> & { name: string }): Replica => ({ ...defaults, ...given });
}

const article = (type: string) => (/^[aio]/.test(type) ? `an ${type}` : `a ${type}`);

/** Bytes of memory: a container's limit where there is one (0 or an absurd number where there is none). */
function memoryOfMachine(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}
