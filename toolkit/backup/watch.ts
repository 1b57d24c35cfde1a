import { count, progress } from "../terminal.ts";

/** Tells how far something long is. */
export interface Watch {
  /** @param done in bytes */
  update(done: number, note?: string): void;
  stop(): void;
}

const lineInterval = 5_000;
const MB = 1024 ** 2;

/**
 * Shows the progress of something that is counted in bytes: a bar on a terminal, otherwise a line every five seconds.
 * @param options.total 0 where it is not known
 */
export function watch(options: { title: string; total: number; say: (line: string) => void }): Watch {
  const { title, total, say } = options;
  if (process.stderr.isTTY) {
    const bar = progress({ title, total });
    return {
      update: (done, note) => bar.update(done, note ?? `${count(done / MB)} MB`),
      stop: () => bar.stop(),
    };
  }
  const started = Date.now();
  let told = started;
  return {
    update(done, note = "") {
      if (Date.now() - told < lineInterval) return;
      told = Date.now();
      const share = total > 0 ? `${Math.min(Math.floor((done / total) * 100), 100)} % of ${count(total / MB)} MB` : "";
      const state = share || (done > 0 ? `${count(done / MB)} MB` : "");
      say([`${title}:`, state, note, `${Math.round((told - started) / 1000)} s`].filter(Boolean).join(" "));
    },
    stop() {},
  };
}
