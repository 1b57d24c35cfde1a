import * as pulumi from "@pulumi/pulumi";
import { isLoopback, parseConnectionString } from "../toolkit/connection.ts";
import { messageOf } from "../toolkit/errors.ts";
import type { Config } from "./config.ts";
import { rdsContradictions } from "./rdsContradictions.ts";

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
  ...rdsContradictions,
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
