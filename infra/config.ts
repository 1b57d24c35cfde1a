import { availableParallelism, totalmem } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { isLoopback, parseConnectionString } from "../toolkit/connection.ts";
import { messageOf } from "../toolkit/errors.ts";
import { type Rule, rules } from "./configKeys.ts";
import type { Machine } from "./parameters.ts";

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
  acceptDrift: string;
  backupBefore: boolean;
  backupCount: number;
  autoRollback: boolean;
  slowdownFactor: number;
  concurrentIndexTimeout: number;
  sampleData: boolean;
  instanceClass: string;
  allocatedStorage: number;
  maxAllocatedStorage: number;
  multiAz: boolean;
  backupRetention: number;
  subnetIds: string[];
  securityGroupIds: string[];
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

/** What belongs together across keys. */
function contradictions(values: Record<string, unknown>, raw: Record<string, string>): string[] {
  const found: string[] = [];
  const { server, version, allocatedStorage, maxAllocatedStorage, subnetIds, restoreFrom } = values;
  if (server === "external") {
    const url = raw.url || process.env.DATABASE_URL;
    if (!url)
      found.push(
        entry(
          "url",
          "",
          "an external server has no address",
          "pulumi config set --secret database:url postgres://…, or set DATABASE_URL",
        ),
      );
    else
      try {
        const { host, ssl } = parseConnectionString(url);
        if (ssl === false && !isLoopback(host))
          void pulumi.log.warn(`the connection to ${host} is not encrypted: its URL says sslmode=disable`);
      } catch (error) {
        found.push(entry("url", "(secret)", messageOf(error), "correct the URL"));
      }
  }
  if (server === "rds" && (maxAllocatedStorage as number) < (allocatedStorage as number))
    found.push(
      entry(
        "maxAllocatedStorage",
        maxAllocatedStorage,
        `it is below allocatedStorage (${allocatedStorage})`,
        "raise it",
      ),
    );
  if (server === "rds" && (subnetIds as string[]).length === 1)
    found.push(
      entry(
        "subnetIds",
        subnetIds,
        "RDS wants subnets in two availability zones",
        "add one, or leave it empty for a VPC of its own",
      ),
    );
  if (server === "embedded" && version !== 17)
    found.push(
      entry("version", version, "the embedded PostgreSQL of this project is 17", "set it to 17, or use another server"),
    );
  if (server !== "embedded" && restoreFrom)
    found.push(entry("restoreFrom", restoreFrom, `it works for server embedded, not ${server}`, "remove it"));
  return found;
}

const entry = (key: string, value: unknown, reason: string, fix: string) =>
  `${namespace}:${key} = ${typeof value === "string" ? value || '""' : JSON.stringify(value)}: ${reason}; ${fix}`;

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
  for (const [key, rule] of Object.entries(rules)) {
    const value = raw[key] === undefined ? rule.default : parse(rule, raw[key]);
    if (value === undefined)
      mistakes.push(entry(key, raw[key], `it is not of type ${rule.type}`, `write ${article(rule.type)}`));
    else {
      const wrong = rule.check?.(value as never);
      if (wrong) mistakes.push(entry(key, value, wrong.reason, wrong.fix));
      values[key] = value;
    }
  }
  if (mistakes.length === 0) mistakes.push(...contradictions(values, raw));
  if (mistakes.length > 0)
    throw new pulumi.RunError(
      `the configuration of stack ${pulumi.getStack()} has mistakes:\n  ${mistakes.join("\n  ")}`,
    );

  const { url, maxConnections, memoryPercent, restoreFrom, ...rest } = values;
  const address = (url as string) || process.env.DATABASE_URL;
  return {
    ...rest,
    ...(rest.server === "external" && address ? { url: pulumi.secret(address) } : {}),
    ...(restoreFrom ? { restoreFrom } : {}),
    machine: {
      memory: Math.floor((memoryOfMachine() * (memoryPercent as number)) / 100),
      cpus: availableParallelism(),
      maxConnections: maxConnections as number,
    },
  } as Config;
}

const article = (type: string) => (/^[aio]/.test(type) ? `an ${type}` : `a ${type}`);

/** Bytes of memory: a container's limit where there is one (0 or an absurd number where there is none). */
function memoryOfMachine(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}
