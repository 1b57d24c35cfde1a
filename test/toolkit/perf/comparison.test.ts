import { expect, test } from "@jest/globals";
import { compareRuns } from "../../../toolkit/perf/baseline.ts";
import { findKnee, rampUp } from "../../../toolkit/perf/knee.ts";
import { median, percentile, spread } from "../../../toolkit/statistics.ts";

test("the ramp doubles up to the pool's size and ends at twice as much", () => {
  expect([1, 2, 5, 8].map(rampUp)).toEqual([
    [1, 2],
    [1, 2, 4],
    [1, 2, 4, 5, 10],
    [1, 2, 4, 8, 16],
  ]);
});

test("the knee is the smallest concurrency with 95 % of the best throughput", () => {
  const steps = [100, 190, 300, 310, 280].map((perSecond, n) => ({ concurrency: 2 ** n, perSecond, p95: n }));
  expect(findKnee(steps)).toEqual({ concurrency: 4, perSecond: 300, p95: 2, best: 310, lastShare: (100 * 280) / 310 });
  expect(findKnee(steps.slice(0, 1)).concurrency).toBe(1);
});

test("a single interruption does not widen the band of noise", () => {
  expect(spread([10, 10.1, 9.9, 10, 10.1])).toBeCloseTo(0.0148, 3);
  expect(spread([10, 10.1, 9.9, 10, 500])).toBeLessThan(0.02);
  expect([median([4, 1, 3, 2]), median([3, 1, 2])]).toEqual([2.5, 2]);
  expect(percentile([5, 1, 4, 2, 3], 95)).toBe(5);
});

test("a run is slower only beyond the noise of both, and beyond a fifth", () => {
  const steady = [10, 10.1, 9.9, 10, 10.1];
  const times = (factor: number) => steady.map((value) => value * factor);
  expect(compareRuns(steady, times(1.15))).toMatchObject({ band: 0.2, change: "none" });
  expect(compareRuns(steady, times(1.3))).toMatchObject({ band: 0.2, change: "slower" });
  expect(compareRuns(steady, times(0.5)).change).toBe("faster");
  // The same median, of measurements that differ by a third: three deviations of them explain more.
  const restless = [6.5, 13, 19, 13, 8.5];
  expect(compareRuns(steady, restless)).toMatchObject({ ratio: 1.3, change: "none" });
  expect(compareRuns(steady, restless).band).toBeGreaterThan(1);
});
