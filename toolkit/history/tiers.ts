/** How finely the past is known: the finest for days, the coarsest for years. */
export interface Tier {
  /** Its table in the schema monitoring. */
  table: "sample" | "sample_5_minutes" | "sample_hour";
  /** Between two samples; null for the finest, where the recorder's interval decides. */
  step: string | null;
  /** How long it is kept, unless the table monitoring.policy says otherwise. */
  keep: string;
  /** What a partition holds: hours of a year are few. */
  partition: "day" | "month";
}

/** From the finest to the coarsest; each is made of the one before it. */
export const tiers: readonly Tier[] = [
  { table: "sample", step: null, keep: "2 days", partition: "day" },
  { table: "sample_5_minutes", step: "5 minutes", keep: "30 days", partition: "day" },
  { table: "sample_hour", step: "1 hour", keep: "2 years", partition: "month" },
];
