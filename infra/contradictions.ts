import * as pulumi from "@pulumi/pulumi";
import { isLoopback, parseConnectionString } from "../toolkit/connection.ts";
import { messageOf } from "../toolkit/errors.ts";
import type { Config } from "./config.ts";
import { rules } from "./configKeys.ts";
import { operatorContradictions } from "./operator/contradictions.ts";
import { rdsContradictions } from "./rdsContradictions.ts";
import { longestPrefix, wantsRoles } from "./roles/table.ts";

/** A key whose value is wrong: why, and what to do. */
export interface Mistake {
  /** `database:` goes without saying. */
  key: string;
  value: unknown;
  reason: string;
  fix: string;
}

/** The configuration before it is brought into its final form. */
export type Values = Omit<Config, "machine" | "url" | "region"> & {
  url: string;
  region: string;
  maxConnections: number;
  memoryPercent: number;
};

/** A rule across keys; it is asked only where each of its keys is right by itself. */
export interface Contradiction {
  keys: (keyof Values)[];
  /** Where the rule counts; everywhere, if left out. */
  server?: Config["server"];
  find(values: Values): Mistake[];
}

// A role and a slot are named after it: 63 bytes, less the 14 of their prefix.
const longestLocalReplica = 49;
// max_wal_senders is 10; two are left for a backup, and for a replica that is made again.
const mostLocalReplicas = 8;

/** Where AWS runs no replicas: an embedded server has its own, by name, weight and tier; another has none made. */
function replicasElsewhere({ server, replicas, instanceClass, region, port }: Values): Mistake[] {
  const wrong = (value: unknown, reason: string, fix: string) => ({ key: "replicas", value, reason, fix });
  if (server === "external" && replicas.length > 0)
    return [wrong(replicas.length, "nothing is made at an external server", "remove it")];
  const foreign = replicas.filter(
    (given) =>
      given.class !== instanceClass ||
      given.region !== region ||
      given.zone ||
      given.kmsKeyArn ||
      given.subnetIds.length + given.securityGroupIds.length > 0,
  );
  return [
    ...foreign.map(({ name }) =>
      wrong(name, "a replica on this machine has a name, a weight and a promotionTier only", "remove the rest of it"),
    ),
    ...replicas
      .filter(({ name }) => name.length > longestLocalReplica)
      .map(({ name }) => wrong(name, "its name is too long", `give it at most ${longestLocalReplica} characters`)),
    ...(replicas.length > mostLocalReplicas
      ? [wrong(replicas.length, `an embedded server has at most ${mostLocalReplicas}`, "remove some")]
      : []),
    ...(port + replicas.length > 65_535
      ? [wrong(replicas.length, `they listen on the ports after ${port}, and those end at 65535`, "lower port")]
      : []),
  ];
}

const contradictions: Contradiction[] = [
  {
    keys: ["url"],
    server: "external",
    find: ({ url }) => {
      if (!url)
        return [
          {
            key: "url",
            value: "",
            reason: "an external server has no address",
            fix: "pulumi config set --secret database:url postgres://…, or set DATABASE_URL",
          },
        ];
      try {
        const { host, ssl } = parseConnectionString(url);
        if (ssl === false && !isLoopback(host))
          void pulumi.log.warn(`the connection to ${host} is not encrypted: its URL says sslmode=disable`);
        return [];
      } catch (error) {
        return [{ key: "url", value: "(secret)", reason: messageOf(error), fix: "correct the URL" }];
      }
    },
  },
  {
    keys: ["version"],
    server: "embedded",
    find: ({ version }) =>
      version === 17
        ? []
        : [
            {
              key: "version",
              value: version,
              reason: "the embedded PostgreSQL of this project is 17",
              fix: "set it to 17, or use another server",
            },
          ],
  },
  {
    keys: ["restoreFrom"],
    find: ({ server, restoreFrom }) =>
      server === "embedded" || !restoreFrom
        ? []
        : [
            {
              key: "restoreFrom",
              value: restoreFrom,
              reason: `it works for server embedded, not ${server}`,
              fix: "remove it",
            },
          ],
  },
  {
    keys: ["replicas", "instanceClass", "port"],
    find: (values) => (values.server === "rds" ? [] : replicasElsewhere(values)),
  },
  {
    keys: ["roles"],
    server: "embedded",
    find: ({ roles }) =>
      roles !== "managed"
        ? []
        : [
            {
              key: "roles",
              value: roles,
              reason:
                "the provider that makes them is a plugin of Pulumi's own engine, and the embedded server is on the loopback, for one user",
              fix: "remove it, or use another server",
            },
          ],
  },
  {
    keys: ["roles", "rolePrefix", "name"],
    find: (values) => {
      const prefix = values.rolePrefix || values.name;
      return !wantsRoles(values) || prefix.length <= longestPrefix
        ? []
        : [
            {
              key: "rolePrefix",
              value: values.rolePrefix,
              reason: `with ${prefix} in front, the names of roles are longer than PostgreSQL's 63 bytes`,
              fix: `set it to at most ${longestPrefix} characters`,
            },
          ];
    },
  },
  {
    keys: ["roles", "rolePrefix", "roleLimits", "rolePasswordVersion", "extensions"],
    find: (values) =>
      wantsRoles(values)
        ? []
        : (["rolePrefix", "roleLimits", "rolePasswordVersion", "extensions"] as const)
            .filter((key) => JSON.stringify(values[key]) !== JSON.stringify(rules[key]!.default))
            .map((key) => ({
              key,
              value: values[key],
              reason: `no roles are made: roles is ${values.roles}, and the server ${values.server}`,
              fix: values.server === "embedded" ? "remove it" : "set roles to managed, or remove it",
            })),
  },
  {
    keys: ["operatorImage"],
    find: ({ server, operatorImage }) =>
      server === "rds" || !operatorImage
        ? []
        : [
            {
              key: "operatorImage",
              value: operatorImage,
              reason: `its containers run on AWS, and the server is ${server}`,
              fix: "remove it, and call `toolkit maintain` from cron",
            },
          ],
  },
  ...rdsContradictions,
  ...operatorContradictions,
];

/**
 * Everything that is wrong across keys.
 * @param right the keys whose values are right by themselves
 */
export function findContradictions(values: Values, right: ReadonlySet<string>): Mistake[] {
  if (!right.has("server")) return [];
  return contradictions
    .filter(({ server, keys }) => (!server || server === values.server) && keys.every((key) => right.has(key)))
    .flatMap(({ find }) => find(values));
}
