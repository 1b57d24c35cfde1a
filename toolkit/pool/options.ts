import { UserError } from "../errors.ts";

/** A number that a pool can be given. */
interface NumericOption {
  default: number;
  unit: "connections" | "ms" | "%";
  /** What it is, and why its default is this value and no other. */
  why: string;
  /** The page that justifies it, where there is one. */
  source?: string;
}

const postgres = "https://www.postgresql.org/docs/current/runtime-config-client.html";
const hikari = "https://github.com/brettwooldridge/HikariCP#frequently-used";
const hikariSizing = "https://github.com/brettwooldridge/HikariCP/wiki/About-Pool-Sizing";
const failover = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZ.Failover.html";
const node = "https://nodejs.org/api/net.html#socketsetkeepaliveenable-initialdelay";

/** Every number that a pool can be given, and its default. */
export const poolOptions = {
  min: {
    default: 8,
    unit: "connections",
    why: "Kept open and opened beforehand, so that a burst after a quiet hour does not wait for eight handshakes.",
    source: hikariSizing,
  },
  max: {
    default: 15,
    unit: "connections",
    why: "A few for each core of a small server; beyond that, statements only wait for each other inside it.",
    source: hikariSizing,
  },
  acquireTimeout: {
    default: 30_000,
    unit: "ms",
    why: "How long a request waits for a connection while the server is up; HikariCP's connectionTimeout.",
    source: hikari,
  },
  outageTimeout: {
    default: 120_000,
    unit: "ms",
    why: "How long it waits while the server is away: a Multi-AZ failover of RDS typically takes 60 to 120 seconds.",
    source: failover,
  },
  connectTimeout: {
    default: 5_000,
    unit: "ms",
    why: "One attempt to connect, authentication included. Several fit in acquireTimeout.",
    source: "https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-CONNECT-TIMEOUT",
  },
  freshFor: {
    default: 500,
    unit: "ms",
    why: "A connection that answered this recently is handed out without a ping; HikariCP's aliveBypassWindow.",
    source: "https://github.com/brettwooldridge/HikariCP/blob/dev/src/main/java/com/zaxxer/hikari/pool/HikariPool.java",
  },
  pingTimeout: {
    default: 2_000,
    unit: "ms",
    why: "A server that is up answers an empty query in milliseconds; a network that loses packets, after a second.",
    source: "https://www.rfc-editor.org/rfc/rfc6298#section-2",
  },
  statementTimeout: {
    default: 30_000,
    unit: "ms",
    why: "The server ends a statement after this (statement_timeout). 0 sets no limit.",
    source: `${postgres}#GUC-STATEMENT-TIMEOUT`,
  },
  answerGrace: {
    default: 5_000,
    unit: "ms",
    why: "How much longer than statementTimeout we wait for the answer: then the network hangs, and the socket goes.",
    source: "https://node-postgres.com/apis/client#new-client",
  },
  idleInTransactionTimeout: {
    default: 60_000,
    unit: "ms",
    why: "The server ends a session that forgot its transaction: its locks hold up others, its snapshot vacuum.",
    source: `${postgres}#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT`,
  },
  idleTimeout: {
    default: 300_000,
    unit: "ms",
    why: "A connection above min is closed after this. Below the 350 s after which AWS's load balancers and NAT forget it.",
    source: "https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html",
  },
  maxLifetime: {
    default: 1_800_000,
    unit: "ms",
    why: "Caches of a session grow and DNS moves on: connections are replaced; HikariCP's maxLifetime.",
    source: hikari,
  },
  jitter: {
    default: 20,
    unit: "%",
    why: "Idle time and lifetime are shortened by a random share up to this, so that they do not all end at once.",
    source: "https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/",
  },
  keepAliveDelay: {
    default: 10_000,
    unit: "ms",
    why: "Silence before TCP asks whether the peer is there; Node then asks ten times, a second apart.",
    source: node,
  },
  leakAfter: {
    default: 60_000,
    unit: "ms",
    why: "One held for longer is reported: twice the statement limit is no statement any more. 0 reports none. HikariCP's leakDetectionThreshold.",
    source: "https://github.com/brettwooldridge/HikariCP#infrequently-used",
  },
  highUtilisation: {
    default: 80,
    unit: "%",
    why: "Above this share of max in use, the pool says so: a fifth is what absorbs a burst. Our own choice.",
  },
  normalUtilisation: {
    default: 60,
    unit: "%",
    why: "It says that it is over only at or below this, so that a load about the limit does not chatter.",
    source: "https://prometheus.io/docs/practices/alerting/",
  },
} as const satisfies Record<string, NumericOption>;

/** The value of each number, in its unit. */
export type PoolLimits = Record<keyof typeof poolOptions, number>;

/** How a pool behaves. What is left out has the default of {@link poolOptions}. */
export interface PoolOptions extends Partial<PoolLimits> {
  /** What pg_stat_activity shows. */
  applicationName?: string;
  /** The address is a PgBouncer in transaction mode: what needs a session of its own is refused or done without. */
  pgbouncer?: boolean;
}

const names = Object.keys(poolOptions) as (keyof PoolLimits)[];
const needed: (keyof PoolLimits)[] = ["max", "acquireTimeout", "connectTimeout", "pingTimeout"];

/**
 * Fills in the defaults. A `max` below the default `min` takes `min` down with it.
 * @throws UserError when a number is none, or two contradict each other
 */
export function resolveLimits(options: PoolOptions): PoolLimits {
  const limits = Object.fromEntries(
    names.map((name) => [name, options[name] ?? poolOptions[name].default]),
  ) as PoolLimits;
  if (options.min === undefined) limits.min = Math.min(limits.min, limits.max);
  if (options.max === undefined) limits.max = Math.max(limits.max, limits.min);
  for (const name of names) {
    const [least, most] = [needed.includes(name) ? 1 : 0, poolOptions[name].unit === "%" ? 100 : 2 ** 31 - 1];
    const value = limits[name];
    if (!Number.isInteger(value) || value < least || value > most)
      throw new UserError(`the pool's ${name} cannot be ${value}`, {
        fix: `Give a whole number of ${poolOptions[name].unit} from ${least} to ${most}, or leave it out for ${poolOptions[name].default}.`,
        exitCode: 2,
      });
  }
  const contradiction =
    limits.min > limits.max
      ? (["min", "max"] as const)
      : limits.normalUtilisation > limits.highUtilisation
        ? (["normalUtilisation", "highUtilisation"] as const)
        : undefined;
  if (contradiction) {
    const [low, high] = contradiction;
    throw new UserError(`the pool's ${low} (${limits[low]}) is above its ${high} (${limits[high]})`, {
      fix: `Lower ${low}, or raise ${high}.`,
      exitCode: 2,
    });
  }
  return limits;
}
