import type { parseArgs } from "node:util";
import { UserError } from "../errors.ts";
import { expiries, mostAhead, type Policy, units } from "./policy.ts";
import { defaultSchedule } from "./schedule.ts";

export const usage = `usage: toolkit partitions [status | ensure | repair | retain] [TABLE] [options]
       toolkit partitions policy TABLE [--interval UNIT] [--ahead N] [--retention TIME] [--on-expire WHAT] [--forget]
       toolkit partitions restore MANIFEST
       toolkit partitions prune TABLE
       toolkit partitions schedule [--cron TIMES | --remove | --show]
       toolkit partitions stale

Looks after tables that are partitioned by a range of one date or time. status finds what is missing, full or expired;
ensure makes partitions ahead; repair fills gaps and gives the rows of a default partition partitions of their own;
retain detaches what is older than the policy allows, packed months too, and archives, drops or keeps it; restore brings
an archive back; prune proves that queries leave partitions out; schedule lets pg_cron ensure; stale tells the age of
summaries.

  --interval UNIT     month, week or day
  --ahead N           partitions after the present one
  --retention TIME    as "5 years"; "none" keeps everything
  --on-expire WHAT    detach (kept in the schema deploy), archive or drop
  --time-zone ZONE    where days begin, for a column with a time zone (UTC)
  --forget            policy: forget it
  --directory PATH    retain: where archives go (.local/archive)
  --format FORMAT     retain: csv or binary
  --cron TIMES        schedule: when, as cron writes it (${defaultSchedule}, in the server's cron.timezone)
  --dry-run           only tell what would be done
  --lock-timeout MS   how long others may wait for us, each time (200)
  --json              print the result on stdout as JSON

The options of a policy win over it for one run. Exit code: 0 fine, 1 status found something or it could not be done,
2 wrong usage.`;

export const options = {
  interval: { type: "string" },
  ahead: { type: "string" },
  retention: { type: "string" },
  "on-expire": { type: "string" },
  "time-zone": { type: "string" },
  directory: { type: "string" },
  format: { type: "string" },
  cron: { type: "string" },
  "lock-timeout": { type: "string" },
  forget: { type: "boolean" },
  remove: { type: "boolean" },
  show: { type: "boolean" },
  "dry-run": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

export type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];
type Option = keyof typeof options;

const policyOptions: Option[] = ["interval", "ahead", "retention", "on-expire", "time-zone"];
const working: Option[] = ["dry-run", "lock-timeout"];

/** What each action understands, and whether it is about one thing that has to be named. */
const actions: Record<string, { options: Option[]; names?: "table" | "manifest"; required?: boolean }> = {
  status: { options: policyOptions, names: "table" },
  ensure: { options: [...policyOptions, ...working], names: "table" },
  repair: { options: [...policyOptions, ...working], names: "table" },
  retain: { options: [...policyOptions, ...working, "directory", "format"], names: "table" },
  policy: { options: [...policyOptions, "forget"], names: "table", required: true },
  restore: { options: ["lock-timeout"], names: "manifest", required: true },
  prune: { options: [], names: "table", required: true },
  schedule: { options: ["cron", "remove", "show"] },
  stale: { options: [] },
};

/** @throws UserError for what an action does not understand */
export function requireUsage(action: string, name: string | undefined, rest: string[], values: Values): void {
  const fail = (what: string, fix = "Add --help for the usage.") => new UserError(what, { fix, exitCode: 2 });
  const known = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (!known) throw fail(`partitions cannot ${action}`, `Use one of ${Object.keys(actions).join(", ")}.`);
  if (known.required && !name) throw fail(`partitions ${action} asks for a ${known.names}`);
  const extra = [...rest, known.names ? undefined : name].find(Boolean);
  if (extra) throw fail(`"${extra}" means nothing to partitions ${action}`);
  const foreign = Object.keys(values).find((key) => key !== "json" && !known.options.includes(key as Option));
  if (foreign) throw fail(`--${foreign} means nothing to partitions ${action}`);
}

/** What the options say of a policy. */
export function policyFrom(values: Values): Partial<Policy> {
  return {
    ...(values.interval === undefined ? {} : { interval: oneOf("interval", values.interval, units) }),
    ...(values.ahead === undefined ? {} : { ahead: number("ahead", values, 0, mostAhead) }),
    ...(values.retention === undefined ? {} : { retention: values.retention === "none" ? null : values.retention }),
    ...(values["on-expire"] === undefined ? {} : { onExpire: oneOf("on-expire", values["on-expire"], expiries) }),
    ...(values["time-zone"] === undefined ? {} : { timeZone: values["time-zone"] }),
  };
}

/** @throws UserError for an unknown value */
export function oneOf<T extends string>(option: string, value: string, known: readonly T[]): T {
  const found = known.find((each) => each === value);
  if (found) return found;
  throw new UserError(`--${option} ${value} is not known`, { fix: `Use one of ${known.join(", ")}.`, exitCode: 2 });
}

/** @throws UserError for what is no number within the limits */
export function number(option: "ahead" | "lock-timeout", values: Values, least: number, most: number): number {
  const value = values[option]!;
  if (/^\d{1,9}$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
  throw new UserError(`--${option} ${value} is not a whole number from ${least} to ${most}`, { exitCode: 2 });
}
