/** A gp3 volume: GiB, I/O operations a second, MiB a second. */
export interface Storage {
  allocatedStorage: number;
  /** 0 stands for what the volume has by itself. */
  iops: number;
  /** 0 stands for what the volume has by itself. */
  storageThroughput: number;
}

/**
 * What gp3 allows for PostgreSQL: below 400 GiB one volume with a fixed performance, from there four volumes striped,
 * whose performance can be bought.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
 */
export const gp3 = {
  stripedFrom: 400,
  small: { iops: 3000, throughput: 125 },
  striped: { iops: [12_000, 64_000], throughput: [500, 4000] },
  /** I/O operations for each GiB at most. */
  iopsPerGiB: 500,
  /** MiB a second for each I/O operation at most. */
  throughputPerIops: 0.25,
} as const;

/** The I/O operations a second that a volume sustains. */
export function sustainedIops({ allocatedStorage, iops }: Storage): number {
  return iops || (allocatedStorage < gp3.stripedFrom ? gp3.small.iops : gp3.striped.iops[0]);
}

/** What is wrong with a volume's size and performance, by key. */
export function storageMistakes(storage: Storage): { key: keyof Storage; reason: string; fix: string }[] {
  const { allocatedStorage, iops, storageThroughput } = storage;
  const keys = (["iops", "storageThroughput"] as const).filter((key) => storage[key] !== 0);
  if (allocatedStorage < gp3.stripedFrom)
    return keys.map((key) => ({
      key,
      reason: `gp3 takes it from ${gp3.stripedFrom} GiB on, and allocatedStorage is ${allocatedStorage}`,
      fix: `remove it, or raise allocatedStorage to ${gp3.stripedFrom}`,
    }));
  const found: ReturnType<typeof storageMistakes> = [];
  const outside = (value: number, [least, most]: readonly [number, number]) => value < least || value > most;
  const { iops: iopsRange, throughput: throughputRange } = gp3.striped;
  if (iops && outside(iops, iopsRange))
    found.push({
      key: "iops",
      reason: `gp3 takes ${iopsRange.join(" to ")} at ${allocatedStorage} GiB`,
      fix: "give a number in that range, or remove it",
    });
  else if (iops > allocatedStorage * gp3.iopsPerGiB)
    found.push({
      key: "iops",
      reason: `gp3 takes at most ${gp3.iopsPerGiB} for each GiB`,
      fix: `lower it to ${allocatedStorage * gp3.iopsPerGiB}, or raise allocatedStorage`,
    });
  const most = sustainedIops(storage) * gp3.throughputPerIops;
  if (storageThroughput && outside(storageThroughput, throughputRange))
    found.push({
      key: "storageThroughput",
      reason: `gp3 takes ${throughputRange.join(" to ")} MiB a second at ${allocatedStorage} GiB`,
      fix: "give a number in that range, or remove it",
    });
  else if (storageThroughput > most)
    found.push({
      key: "storageThroughput",
      reason: `gp3 takes at most a quarter of the IOPS, which are ${sustainedIops(storage)}`,
      fix: `lower it to ${most}, or raise iops to ${storageThroughput / gp3.throughputPerIops}`,
    });
  return found;
}
