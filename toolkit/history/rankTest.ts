/**
 * The probability that numbers as much larger as `after` come by chance, by the ranks of Mann and Whitney: however wild
 * a few of them are. One-sided; with ties, by the normal distribution, which is good from eight numbers on each side on.
 * @see https://doi.org/10.1214/aoms/1177730491
 */
export function chanceOfLarger(before: readonly number[], after: readonly number[]): number {
  const all = [...before.map((value) => ({ value, late: false })), ...after.map((value) => ({ value, late: true }))];
  all.sort((one, other) => one.value - other.value);
  const [m, n, total] = [before.length, after.length, all.length];
  let [lateRanks, ties] = [0, 0];
  for (let first = 0; first < total; ) {
    let next = first;
    while (next < total && all[next]!.value === all[first]!.value) next++;
    const rank = (first + 1 + next) / 2;
    for (let index = first; index < next; index++) if (all[index]!.late) lateRanks += rank;
    ties += (next - first) ** 3 - (next - first);
    first = next;
  }
  const u = lateRanks - (n * (n + 1)) / 2;
  const deviation = Math.sqrt(((m * n) / 12) * (total + 1 - ties / (total * (total - 1))));
  return deviation > 0 ? normalTail((u - (m * n) / 2 - 0.5) / deviation) : 1;
}

/** P(Z > z), by Abramowitz and Stegun 26.2.17, within 1e-7. */
function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
}

/**
 * Which of many findings stand, when all were looked for at once: by Benjamini and Hochberg, of those that do at most
 * the share `falseShare` is expected to be by chance.
 */
export function standing(chances: readonly number[], falseShare: number): boolean[] {
  const sorted = chances.toSorted((one, other) => one - other);
  const last = sorted.findLastIndex((chance, index) => chance <= ((index + 1) / sorted.length) * falseShare);
  return chances.map((chance) => last >= 0 && chance <= sorted[last]!);
}
