import { UserError } from "../errors.ts";

/** A number that a cache can be given. */
interface NumericOption {
  default: number;
  unit: "bytes" | "ms";
  /** What it is, and why its default is this value and no other. */
  why: string;
  /** The page that justifies it. */
  source: string;
}

/** Every number that a cache can be given, and its default. */
export const cacheOptions = {
  maxBytes: {
    default: 64 * 1024 ** 2,
    unit: "bytes",
    why: "What all results may weigh together; those used longest ago go first. A fraction of Node's default heap.",
    source: "https://nodejs.org/api/cli.html#--max-old-space-sizesize-in-mib",
  },
  maxEntryBytes: {
    default: 4 * 1024 ** 2,
    unit: "bytes",
    why: "A larger result is not kept: one export would drive out everything else.",
    source: "https://github.com/isaacs/node-lru-cache#storage-bounds-safety",
  },
  ttl: {
    default: 60_000,
    unit: "ms",
    why: "How long a result lasts that nothing changed: queries ask for today, and today ends without a write.",
    source: "https://github.com/isaacs/node-lru-cache#usage",
  },
  heartbeat: {
    default: 5_000,
    unit: "ms",
    why: "How often the listener is asked whether it is there, and whether the tables still have their triggers.",
    source: "https://www.postgresql.org/docs/current/sql-listen.html",
  },
  answerTimeout: {
    default: 2_000,
    unit: "ms",
    why: "A listener that is silent for longer counts as lost; as the pool's pingTimeout.",
    source: "https://www.rfc-editor.org/rfc/rfc6298#section-2",
  },
  reconnectAfter: {
    default: 250,
    unit: "ms",
    why: "The pause before a lost listener is replaced, doubled at each failure up to twenty times this.",
    source: "https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/",
  },
} as const satisfies Record<string, NumericOption>;

/** The value of each number, in its unit. */
export type CacheLimits = Record<keyof typeof cacheOptions, number>;

/**
 * Fills in the defaults.
 * @throws UserError when a number is none
 */
export function resolveCacheLimits(options: Partial<CacheLimits>): CacheLimits {
  const entries = Object.entries(cacheOptions).map(([name, option]) => {
    const value = options[name as keyof CacheLimits] ?? option.default;
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 31 - 1)
      throw new UserError(`the cache's ${name} cannot be ${value}`, {
        fix: `Give a whole number of ${option.unit} from 1 to ${2 ** 31 - 1}, or leave it out for ${option.default}.`,
        exitCode: 2,
      });
    return [name, value];
  });
  const limits = Object.fromEntries(entries) as CacheLimits;
  // As lru-cache asks for: an entry that is larger than the whole can never be kept.
  return { ...limits, maxEntryBytes: Math.min(limits.maxEntryBytes, limits.maxBytes) };
}
