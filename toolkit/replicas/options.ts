import { UserError } from "../errors.ts";
import type { PoolOptions } from "../pool/options.ts";

/** A number that a router can be given. */
interface NumericOption {
  default: number;
  unit: "ms" | "bytes" | "times";
  /** What it is, and why its default is this value and no other. */
  why: string;
  /** The page that justifies it. */
  source: string;
}

const functions = "https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL";
const standby =
  "https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-MAX-STANDBY-STREAMING-DELAY";
const failover = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZ.Failover.html";
const replicaLag = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.Monitoring.html";
const thresholds =
  "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html";

/** Every number that a router can be given, and its default. */
export const routerOptions = {
  probeInterval: {
    default: 500,
    unit: "ms",
    why: "How often each server is asked what it is and how far: a lag is known to this precision, a promotion this soon.",
    source: functions,
  },
  probeTimeout: {
    default: 2_000,
    unit: "ms",
    why: "A server that has not answered by then counts as away; as the pool's pingTimeout, a lost packet or two.",
    source: "https://www.rfc-editor.org/rfc/rfc6298#section-2",
  },
  maxLag: {
    default: 10_000,
    unit: "ms",
    why: "A replica further behind is left out. Between one that is busy for a moment and the 30 s by which reads delay replay.",
    source: standby,
  },
  maxLagBytes: {
    default: 64 * 1024 ** 2,
    unit: "bytes",
    why: "The same in log: four segments of 16 MB, which a replica that keeps up receives in about a second.",
    source: "https://www.postgresql.org/docs/current/wal-internals.html",
  },
  breaches: {
    default: 3,
    unit: "times",
    why: "So many probes in a row must find it behind or silent: one is a checkpoint or a lost packet. A refusal counts at once.",
    source: thresholds,
  },
  recoveries: {
    default: 3,
    unit: "times",
    why: "So many good probes in a row bring it back, so that one at the limit does not come and go.",
    source: thresholds,
  },
  replayWait: {
    default: 100,
    unit: "ms",
    why: "How long a session's read waits until the replica has its writes; then the primary answers. Replay mostly takes a few.",
    source: replicaLag,
  },
  serverPatience: {
    default: 1_000,
    unit: "ms",
    why: "How long a request waits for a connection to a server that went away before another is looked for: a restart.",
    source: functions,
  },
  primaryWait: {
    default: 120_000,
    unit: "ms",
    why: "How long a write waits for a primary while there is none: a failover of RDS typically takes 60 to 120 seconds.",
    source: failover,
  },
  latencyFloor: {
    default: 5,
    unit: "ms",
    why: "Servers that answer faster than this count as equally near: less is chance. Zones of a region are a few ms apart.",
    source: "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.RegionsAndAvailabilityZones.html",
  },
} as const satisfies Record<string, NumericOption>;

/** The value of each number, in its unit. */
export type RouterLimits = Record<keyof typeof routerOptions, number>;

/** How a router behaves. What is left out has the default of {@link routerOptions}. */
export interface RouterOptions extends Partial<RouterLimits> {
  /** For the pool of each server. Its outageTimeout is serverPatience, for another server may do. */
  pool?: Omit<PoolOptions, "outageTimeout">;
}

/**
 * Fills in the defaults.
 * @throws UserError when a number is none
 */
export function resolveLimits(options: RouterOptions): RouterLimits {
  const names = Object.keys(routerOptions) as (keyof RouterLimits)[];
  const limits = Object.fromEntries(
    names.map((name) => [name, options[name] ?? routerOptions[name].default]),
  ) as RouterLimits;
  for (const name of names) {
    const least = name === "replayWait" ? 0 : 1;
    if (Number.isSafeInteger(limits[name]) && limits[name] >= least) continue;
    throw new UserError(`the router's ${name} cannot be ${limits[name]}`, {
      fix: `Give a whole number of ${routerOptions[name].unit} from ${least} on, or leave it out for ${routerOptions[name].default}.`,
      exitCode: 2,
    });
  }
  return limits;
}
