/** A limit of the performance test. */
interface Limit {
  value: number;
  unit: string;
  why: string;
  source: string;
}

const responseTimes = "https://www.nngroup.com/articles/response-times-3-important-limits/";

/** What the performance test compares with. */
export const limits = {
  tinyTable: {
    value: 10,
    unit: "blocks",
    why: "A table or partition up to this size is rightly read whole: descending an index costs as much.",
    source: "https://www.postgresql.org/docs/current/indexes-examine.html",
  },
  kneeShare: {
    value: 95,
    unit: "%",
    why: "The knee is the smallest concurrency with this share of the best throughput: beyond it only waiting grows.",
    source: "https://www.perfdynamics.com/Manifesto/USLscalability.html",
  },
  collapseShare: {
    value: 70,
    unit: "%",
    why: "Throughput that falls below this share of its best under more load shows contention, not saturation.",
    source: "https://www.perfdynamics.com/Manifesto/USLscalability.html",
  },
  kneeP95: {
    value: 100,
    unit: "ms",
    why: "Up to a tenth of a second people feel that the system answers at once.",
    source: responseTimes,
  },
  firstRow: {
    value: 1_000,
    unit: "ms",
    why: "A large result that is streamed begins within a second, the limit of an uninterrupted thought.",
    source: responseTimes,
  },
  nothingAtStake: {
    value: 2,
    unit: "ms",
    why: "Where the naive form takes less, the tables are too small to tell the two apart.",
    source: "https://www.postgresql.org/docs/current/indexes-examine.html",
  },
  leastBand: {
    value: 20,
    unit: "%",
    why: "Two runs of one build differ by up to this, for where pages lie and what else the machine does.",
    source: "https://www.postgresql.org/docs/current/pgbench.html",
  },
  bandDeviations: {
    value: 3,
    unit: "deviations",
    why: "Three deviations on both sides hold what repeated runs of the same thing measure (NIST, control charts).",
    source: "https://www.itl.nist.gov/div898/handbook/pmc/section3/pmc31.htm",
  },
} as const satisfies Record<string, Limit>;
