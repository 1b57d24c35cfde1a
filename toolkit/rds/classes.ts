/** What an instance class has to give. */
export interface InstanceSize {
  vcpus: number;
  /** Bytes, as the page states them; the operating system and RDS's own processes take a little of it. */
  memory: number;
  /** CPU credits that a burstable class earns in an hour; the others have none. */
  creditsPerHour?: number;
}

const GiB = 1024 ** 3;

/** vCPUs by the size's name: the same in every family below. */
const vcpusOf: Record<string, number> = {
  large: 2,
  xlarge: 4,
  "2xlarge": 8,
  "4xlarge": 16,
  "8xlarge": 32,
  "12xlarge": 48,
  "16xlarge": 64,
  "24xlarge": 96,
  "32xlarge": 128,
  "48xlarge": 192,
};

/**
 * The families that run PostgreSQL 16 to 18, by GiB of memory for each vCPU, with their largest sizes.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html
 */
// biome-ignore format: one family, one line
const families: Record<string, { perVcpu: number; sizes: string[] }> = {
  "db.m5":  { perVcpu: 4,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"] },
  "db.m6g": { perVcpu: 4,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"] },
  "db.m6i": { perVcpu: 4,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"] },
  "db.m7g": { perVcpu: 4,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"] },
  "db.m7i": { perVcpu: 4,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"] },
  "db.m8g": { perVcpu: 4,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"] },
  "db.r5":  { perVcpu: 8,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"] },
  "db.r6g": { perVcpu: 8,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"] },
  "db.r6i": { perVcpu: 8,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"] },
  "db.r7g": { perVcpu: 8,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"] },
  "db.r7i": { perVcpu: 8,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"] },
  "db.r8g": { perVcpu: 8,  sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"] },
  "db.x2g": { perVcpu: 16, sizes: ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"] },
};

/**
 * The burstable classes, with the credits that they earn in an hour.
 * @see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html
 */
// biome-ignore format: one size, one line
const burstable: Record<string, { vcpus: number; GiB: number; creditsPerHour: number }> = {
  micro:     { vcpus: 2, GiB: 1,  creditsPerHour: 12 },
  small:     { vcpus: 2, GiB: 2,  creditsPerHour: 24 },
  medium:    { vcpus: 2, GiB: 4,  creditsPerHour: 24 },
  large:     { vcpus: 2, GiB: 8,  creditsPerHour: 36 },
  xlarge:    { vcpus: 4, GiB: 16, creditsPerHour: 96 },
  "2xlarge": { vcpus: 8, GiB: 32, creditsPerHour: 192 },
};

/** Every instance class whose size is known. */
export const instanceClasses: Record<string, InstanceSize> = Object.fromEntries([
  ...["db.t3", "db.t4g"].flatMap((family) =>
    Object.entries(burstable).map(([size, { GiB: memory, ...rest }]) => [
      `${family}.${size}`,
      { ...rest, memory: memory * GiB },
    ]),
  ),
  ...Object.entries(families).flatMap(([family, { perVcpu, sizes }]) =>
    sizes.map((size) => [`${family}.${size}`, { vcpus: vcpusOf[size]!, memory: vcpusOf[size]! * perVcpu * GiB }]),
  ),
]);

/**
 * Sessions that RDS lets in where `max_connections` is left to it: LEAST({DBInstanceClassMemory/9531392},5000). RDS
 * counts a little less memory than the class has, so this is the upper end.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections
 */
export function defaultMaxConnections({ memory }: InstanceSize): number {
  return Math.min(Math.floor(memory / 9_531_392), 5000);
}
