import { UserError } from "../errors.ts";
import { describe } from "./describe.ts";
import { grow } from "./grow.ts";
import { waitForInstance } from "./instance.ts";
import { promote, readLag, requireCaughtUp, usualLag } from "./promote.ts";
import { restore } from "./restore.ts";
import { rotate } from "./rotate.ts";
import type { Session } from "./session.ts";
import { snapshot } from "./snapshot.ts";
import { swap } from "./swap.ts";
import { createGreen, deleteDeployment, switchOver } from "./upgrade.ts";

/** What was given on the command line, by option; flags are true. */
export type Given = Record<string, string | boolean | undefined>;

/** One thing that can be done to an instance. */
export interface Verb {
  summary: string;
  /** Its own options: what each is for, and whether it takes a value (the word in capitals). */
  options: Record<string, string>;
  /** Words of which one follows the verb. */
  actions?: string[];
  /** Whether what it gives is to be printed. */
  answers?: boolean;
  /** Refuses what is wrong before AWS is asked; returns what then does it. */
  prepare(given: Given, action: string): (session: Session) => Promise<unknown>;
}

// biome-ignore format: one command, one block
export const verbs: Record<string, Verb> = {
  describe: { summary: "what the instance is now: status, storage, network, protection, backups", options: {},
    answers: true, prepare: () => describe },
  wait: { summary: "wait until the instance is available", options: {},
    prepare: () => (session) => waitForInstance(session, session.instance, { minutes: 12 * 60 }) },
  snapshot: { summary: "make a snapshot", options: { name: "NAME  of the snapshot" },
    prepare: (given) => { const name = needed(given, "name"); return (session) => snapshot(session, name); } },
  restore: { summary: "make a new instance from the backups, like the old one",
    options: { to: "NAME  of the new instance", time: "TIME  as 2026-01-31T12:00:00Z, or latest",
      snapshot: "NAME  a snapshot, in place of a time", class: "CLASS  another instance class" },
    prepare: (given) => { const options = restoreOptions(given); return (session) => restore(session, options); } },
  swap: { summary: "give the instance's name to another one, and it the name NAME-old",
    options: { with: "NAME  the instance that takes the name" },
    prepare: (given) => { const other = needed(given, "with"); return (session) => swap(session, other); } },
  lag: { summary: "how far a read replica is behind, by CloudWatch; exit code 1 where it is too far", answers: true,
    options: { "max-lag": "SECONDS  behind the primary at most (300)", "accept-loss": " any lag is fine, also one that nobody knows" },
    prepare: (given) => {
      const maxLag = given["accept-loss"] ? undefined : whole(given, "max-lag", [0, 86_400]) ?? usualLag;
      return async (session) => maxLag === undefined ? { lag_seconds: (await readLag(session)) ?? "unknown" } : requireCaughtUp(session, maxLag);
    } },
  promote: { summary: "make a primary of a read replica",
    options: { "max-lag": "SECONDS  behind the primary at most (300)", "accept-loss": " promote it however far it is behind",
      "backup-retention": "DAYS  that backups are kept (14)", "single-az": " without a standby in another zone" },
    prepare: (given) => {
      const maxLag = given["accept-loss"] ? undefined : whole(given, "max-lag", [0, 86_400]) ?? usualLag;
      const backupRetention = whole(given, "backup-retention", [1, 35]) ?? 14;
      return (session) => promote(session, { maxLag, backupRetention, multiAz: !given["single-az"] });
    } },
  upgrade: { summary: "another major version, by a blue/green deployment", actions: ["create", "switchover", "delete"],
    options: { to: "VERSION  as 18.1", "parameter-group": "NAME  of the new version's family, for create",
      "switchover-timeout": "SECONDS  after which AWS undoes the switchover (300)" },
    prepare: (given, action) => {
      const version = versionOf(needed(given, "to"));
      if (action === "delete") return (session) => deleteDeployment(session, version);
      const seconds = whole(given, "switchover-timeout", [30, 3600]) ?? 300;
      if (action === "switchover") return (session) => switchOver(session, version, seconds);
      const group = needed(given, "parameter-group");
      return (session) => createGreen(session, version, group);
    } },
  grow: { summary: "more storage, or a faster one",
    options: { storage: "GIB  the new size", limit: "GIB  up to which it grows by itself", iops: "IOPS  I/O operations a second",
      throughput: "MIB  a second" },
    prepare: (given) => {
      const [storage, limit] = [whole(given, "storage", [20, 65_536]), whole(given, "limit", [20, 65_536])];
      const [iops, throughput] = [whole(given, "iops", [1000, 256_000]), whole(given, "throughput", [125, 4000])];
      if (!storage && !limit && !iops && !throughput)
        throw new UserError("what to change is not told", { fix: "Add --storage, --limit, --iops or --throughput.", exitCode: 2 });
      return (session) => grow(session, { ...(storage && { storage }), ...(limit && { limit }), ...(iops && { iops }), ...(throughput && { throughput }) });
    } },
  rotate: { summary: "a new master password", options: { secret: "ID  our own secret, by name or ARN; none for a managed one" },
    prepare: (given) => (session) => rotate(session, text(given, "secret")) },
};

/** An empty value is none: a runbook passes a parameter that nobody set. */
const text = (given: Given, name: string) => (typeof given[name] === "string" && given[name] ? given[name] : undefined);

function needed(given: Given, name: string): string {
  const value = text(given, name);
  if (value === undefined)
    throw new UserError(`--${name} is missing`, { fix: "Add --help to see the options.", exitCode: 2 });
  return value;
}

function whole(given: Given, name: string, [least, most]: [number, number]): number | undefined {
  const value = text(given, name);
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
  throw new UserError(`--${name} ${value} is not a whole number from ${least} to ${most}`, { exitCode: 2 });
}

function versionOf(version: string): string {
  if (/^\d+\.\d+$/.test(version)) return version;
  throw new UserError(`--to ${version} is not a version with its minor number`, {
    fix: "Give one that `aws rds describe-db-engine-versions --engine postgres` lists, as 18.1.",
    exitCode: 2,
  });
}

function restoreOptions(given: Given): Parameters<typeof restore>[1] {
  const [to, time, from, instanceClass] = [
    needed(given, "to"),
    text(given, "time"),
    text(given, "snapshot"),
    text(given, "class"),
  ];
  if (Boolean(time) === Boolean(from))
    throw new UserError("give either --time or --snapshot", {
      fix: "--time latest takes the last moment.",
      exitCode: 2,
    });
  const rest = { to, ...(instanceClass && { instanceClass }) };
  if (from) return { ...rest, from: { snapshot: from } };
  if (time === "latest") return { ...rest, from: "latest" };
  // Without its zone a time is somebody's local time: hours too early or too late.
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(time!) || Number.isNaN(Date.parse(time!)))
    throw new UserError(`--time ${time} is not a moment`, {
      why: "It needs its zone: a time without one is another moment on another machine.",
      fix: "Give it as 2026-01-31T12:00:00Z, or latest.",
      exitCode: 2,
    });
  return { ...rest, from: { time: new Date(time!) } };
}
