import { expect, test } from "@jest/globals";
import { choose, shareOf } from "../../../toolkit/replicas/choose.ts";
import { type Claim, decide, type Leadership } from "../../../toolkit/replicas/leadership.ts";
import { formatLsn, parseLsn } from "../../../toolkit/replicas/lsn.ts";
import { resolveLimits } from "../../../toolkit/replicas/options.ts";
import { createRouter } from "../../../toolkit/replicas/router.ts";
import { Track } from "../../../toolkit/replicas/track.ts";

const before: Leadership = { primary: "a", timeline: 1, fenced: [] };
const primary = (name: string, timeline: number): Claim => ({ name, standby: false, timeline, answers: true });
const standby = (name: string): Claim => ({ name, standby: true, timeline: 1, answers: true });
const silent = (claim: Claim): Claim => ({ ...claim, answers: false });

test.each<[string, Claim[], Partial<Leadership>]>([
  ["stays the primary while nothing changes", [primary("a", 1), standby("b")], { primary: "a", timeline: 1 }],
  ["stays the primary while it does not answer", [silent(primary("a", 1)), standby("b")], { primary: "a" }],
  ["gives way to one that was promoted", [silent(primary("a", 1)), primary("b", 2)], { primary: "b", timeline: 2 }],
  ["is fenced beside a higher timeline", [primary("a", 1), primary("b", 2)], { primary: "b", fenced: ["a"] }],
  ["wins beside another one on the same timeline", [primary("b", 1), primary("a", 1)], { primary: "a", fenced: ["b"] }],
  ["is none once it is a standby", [standby("a"), standby("b")], { primary: undefined, fenced: [] }],
])("the primary %s", (_, servers, expected) => {
  expect(decide(before, servers)).toMatchObject(expected);
});

test("a server that was promoted past is not followed when it is the only one that answers", () => {
  const after = { primary: "b", timeline: 2, fenced: [] };
  const servers = [primary("a", 1), silent(primary("b", 2))];
  expect(decide(after, servers)).toEqual({ primary: "b", timeline: 2, fenced: ["a"] });
});

test("a server's share of the reads falls with its latency and its lag", () => {
  const limits = resolveLimits({ maxLag: 1_000 });
  expect(shareOf({ weight: 3, latency: 2, lag: 0 }, 1, limits)).toBe(3);
  expect(shareOf({ weight: 3, latency: 20, lag: 0 }, 1, limits)).toBe(0.75);
  expect(shareOf({ weight: 3, latency: 2, lag: 500 }, 1, limits)).toBe(1.5);
  const two = [
    { weight: 3, latency: 1, lag: 0 },
    { weight: 1, latency: 1, lag: 0 },
  ];
  expect([0, 0.74, 0.76, 0.99].map((chance) => two.indexOf(choose(two, limits, chance)!))).toEqual([0, 0, 1, 1]);
  expect(choose([], limits)).toBeUndefined();
});

test("lag is the time since the primary was where the replica is, and none while the primary is idle", () => {
  const track = new Track();
  expect(track.behind(5n)).toBeUndefined();
  track.add(10n, 1_000);
  track.add(20n, 2_000);
  track.add(20n, 5_000);
  expect(track.behind(20n)).toEqual({ bytes: 0, milliseconds: 0, reachedAt: 5_000 });
  expect(track.behind(15n)).toEqual({ bytes: 5, milliseconds: 4_000, reachedAt: 1_000 });
  expect(track.behind(5n)).toEqual({ bytes: 15, milliseconds: 4_000, reachedAt: 1_000 });
});

test("a position in the log is read and written as PostgreSQL does it", () => {
  expect(formatLsn(parseLsn("16/B374D848"))).toBe("16/B374D848");
  expect(parseLsn("1/0") - parseLsn("0/FFFFFFFF")).toBe(1n);
});

test("options and names that make no sense are refused", () => {
  expect(() => resolveLimits({ breaches: 0 })).toThrow(
    "the router's breaches cannot be 0\n  fix: Give a whole number of times from 1 on, or leave it out for 3.",
  );
  const connection = { host: "127.0.0.1", port: 1, database: "none", user: "nobody", password: "" };
  expect(() => createRouter({ primary: { connection }, replicas: [{ name: "primary", connection }] })).toThrow(
    "two servers of the router are named primary\n  fix: Rename one of them.",
  );
});
