/**
 * Public on-demand prices in US dollars, without tax, for an estimate in a preview. Entered by hand and approximate: of
 * us-east-1 the t4g classes, gp3, backups and Fargate were compared with published tables, the others were not. Check them
 * against the pages below before money is decided on, and set the month when you have.
 */
export const pricesAsOf = "2026-11";
export const pricingPage = "https://aws.amazon.com/rds/postgresql/pricing/";
export const monitoringPage = "https://aws.amazon.com/cloudwatch/pricing/";

/** Hours of a month, as AWS's own calculator counts them. */
export const hoursPerMonth = 730;

export interface RegionPrices {
  /** Per hour, RDS for PostgreSQL in one availability zone, by class without `db.`. */
  instance: Record<string, number>;
  /** Per GiB and month, by storage type. */
  storage: Record<string, number>;
  /** Per month and IOPS that is provisioned: all of them for io1 and io2, those above the baseline for gp3. */
  iops: Record<string, number>;
  /** Per month and MiB/s above the baseline of gp3. */
  throughput: number;
  /** Per GiB and month of backups beyond what is free. */
  backup: number;
  /** Fargate on Linux and x86, per hour: a vCPU, and a GiB of memory. */
  fargate: { vcpu: number; gib: number };
  /** Per hour of an interface endpoint in one availability zone. */
  endpoint: number;
}

/** A size's price as a multiple of `large`: RDS prices double with the vCPUs, within rounding to a tenth of a cent. */
const sizes = { large: 1, xlarge: 2, "2xlarge": 4, "4xlarge": 8, "8xlarge": 16, "12xlarge": 24, "16xlarge": 32 };

/** Every size of families whose prices are proportional, from the price of `large`. */
function families(large: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(large).flatMap(([family, price]) =>
      Object.entries(sizes).map(([size, factor]) => [`${family}.${size}`, price * factor]),
    ),
  );
}

/** Burstable sizes, from the price of `micro`: small is twice, medium four times, and so on. */
function burstable(micro: Record<string, number>): Record<string, number> {
  const steps = { micro: 1, small: 2, medium: 4, large: 8, xlarge: 16, "2xlarge": 32 };
  return Object.fromEntries(
    Object.entries(micro).flatMap(([family, price]) =>
      Object.entries(steps).map(([size, factor]) => [`${family}.${size}`, price * factor]),
    ),
  );
}

// biome-ignore format: one kind of price, one line
export const prices: Record<string, RegionPrices> = {
  "us-east-1": {
    instance: {
      ...burstable({ t3: 0.018, t4g: 0.016 }),
      ...families({ m6g: 0.159, m6i: 0.178, m7g: 0.168, r6g: 0.225, r6i: 0.25, r7g: 0.239 }),
    },
    storage: { gp2: 0.115, gp3: 0.115, io1: 0.125, io2: 0.125 },
    iops: { gp3: 0.02, io1: 0.1, io2: 0.1 },
    throughput: 0.08,
    backup: 0.095,
    fargate: { vcpu: 0.04048, gib: 0.004445 },
    endpoint: 0.01,
  },
  "eu-central-1": {
    instance: {
      ...burstable({ t3: 0.021, t4g: 0.019 }),
      ...families({ m6g: 0.19, m6i: 0.212, m7g: 0.2, r6g: 0.27, r6i: 0.3, r7g: 0.287 }),
    },
    storage: { gp2: 0.137, gp3: 0.137, io1: 0.149, io2: 0.149 },
    iops: { gp3: 0.024, io1: 0.119, io2: 0.119 },
    throughput: 0.095,
    backup: 0.103,
    fargate: { vcpu: 0.04656, gib: 0.00511 },
    endpoint: 0.012,
  },
  "eu-west-1": {
    instance: {
      ...burstable({ t3: 0.02, t4g: 0.018 }),
      ...families({ m6g: 0.177, m6i: 0.198, m7g: 0.187, r6g: 0.25, r6i: 0.278, r7g: 0.266 }),
    },
    storage: { gp2: 0.127, gp3: 0.127, io1: 0.138, io2: 0.138 },
    iops: { gp3: 0.022, io1: 0.11, io2: 0.11 },
    throughput: 0.088,
    backup: 0.095,
    fargate: { vcpu: 0.04048, gib: 0.004445 },
    endpoint: 0.011,
  },
};

/** A standby costs as much as the instance that it stands by for, and its storage as well. */
export const multiAzFactor = 2;

/**
 * What gp3 includes: 3,000 IOPS and 125 MiB/s, four times that from 400 GiB on, where RDS stripes over four volumes.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
 */
export const gp3Baseline = (gib: number) =>
  gib < 400 ? { iops: 3_000, throughput: 125 } : { iops: 12_000, throughput: 500 };

/** Things with one price a month wherever they are. The first alarms and dashboards of an account are free. */
// biome-ignore format: one thing, one line
export const flatPrices: Record<string, { what: string; price: number; page: string }> = {
  "aws:cloudwatch/metricAlarm:MetricAlarm": { what: "alarms", price: 0.1, page: monitoringPage },
  "aws:cloudwatch/compositeAlarm:CompositeAlarm": { what: "composite alarms", price: 0.5, page: monitoringPage },
  "aws:cloudwatch/dashboard:Dashboard": { what: "dashboards", price: 3, page: monitoringPage },
  "aws:kms/key:Key": { what: "encryption keys", price: 1, page: "https://aws.amazon.com/kms/pricing/" },
  "aws:secretsmanager/secret:Secret": { what: "secrets", price: 0.4, page: "https://aws.amazon.com/secrets-manager/pricing/" },
};

/** A metric of one's own in CloudWatch, a month: the first ten of an account are free. https://aws.amazon.com/cloudwatch/pricing/ */
export const ownMetric = 0.3;

/** A GiB of images, a month: https://aws.amazon.com/ecr/pricing/. */
export const imageStorage = 0.1;

/** The secret that RDS keeps for a managed master password. */
export const managedSecret = 0.4;

/** The advanced mode of Database Insights, per vCPU and hour: https://aws.amazon.com/cloudwatch/pricing/. */
export const advancedInsights = 0.0125;

/** vCPUs of a class of the families above: two up to `large`, then four for each `xlarge`. */
export function vcpusOf(instanceClass: string): number {
  const size = /(\d*)xlarge$/.exec(instanceClass);
  return size ? 4 * Number(size[1] || 1) : 2;
}
