/** How a table is converted. Everything but the table has a default. */
export interface ConvertOptions {
  /** The table, as SQL names it: with its schema, where that is not on the search path. */
  table: string;
  /** The column of dates by whose months the table is divided. */
  column?: string;
  /** The lock budget, in milliseconds: the longest that anybody waits because of us, each time. */
  lockTimeout?: number;
  /** What one batch of copying should take, in milliseconds. */
  batchTime?: number;
  /** Blocks of the table in the first batch; later ones are sized by the time that the last ones took. */
  batchBlocks?: number;
  /** Bytes of write-ahead log that a replica may be behind before copying pauses. */
  maxReplicaLag?: number;
  /** Milliseconds that a small read of another session may take during a batch before batches get smaller. */
  maxLatency?: number;
  /** The share of the time that copying rests, from 0 to under 1. */
  rest?: number;
  /** Keep a surrogate key, which cannot be a key of the partitioned table, as a plain column. */
  keepId?: boolean;
  /** Milliseconds for which the way back stays open after the tables are exchanged. */
  keepFor?: number;
  /** Milliseconds to go on trying for a lock, or waiting for old transactions, before giving up. */
  patience?: number;
  /** Gets a line for people about each thing that happens; nobody does when left out. */
  say?: (line: string) => void;
  /** Is told how much is copied, in blocks of the table. */
  progress?: (done: number, total: number, note: string) => void;
}

/** The options with their defaults filled in. */
export type Settings = Required<ConvertOptions>;

const day = 86_400_000;

const defaults: Omit<Settings, "table"> = {
  column: "date",
  // Half of the 100 ms that people begin to notice; what runs under the lock takes a few milliseconds more.
  lockTimeout: 50,
  batchTime: 100,
  batchBlocks: 64,
  maxReplicaLag: 64 * 1024 * 1024,
  maxLatency: 40,
  rest: 0.1,
  keepId: false,
  keepFor: 7 * day,
  patience: 600_000,
  say: () => {},
  progress: () => {},
};

/** Fills in what was left out. */
export function withDefaults(options: ConvertOptions): Settings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) } as Settings;
}
