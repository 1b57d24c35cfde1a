import type pg from "pg";
import { type Progress, progress } from "../terminal.ts";

/** How far the statement of a session is, by PostgreSQL's progress views. */
export interface StatementProgress {
  /** As PostgreSQL names it, such as "building index: scanning table". */
  phase: string;
  /** How much of the phase is done, in the unit of `total`. */
  done: number;
  /** 0 where PostgreSQL does not know the whole. */
  total: number;
}

/**
 * One look for each kind of command that reports its progress.
 * https://www.postgresql.org/docs/current/progress-reporting.html
 */
const views: Readonly<Record<string, string>> = {
  create_index: `
    select phase || case when partitions_total > 0
                         then format(' (partition %s of %s)', partitions_done + 1, partitions_total) else '' end as phase,
           case when lockers_total > 0 then lockers_done when tuples_total > 0 then tuples_done else blocks_done end as done,
           case when lockers_total > 0 then lockers_total when tuples_total > 0 then tuples_total else blocks_total end as total
    from pg_stat_progress_create_index where pid = $1`,
  cluster: `
    select lower(command) || ': ' || phase as phase, heap_blks_scanned as done, heap_blks_total as total
    from pg_stat_progress_cluster where pid = $1`,
  copy: `
    select lower(command) as phase, bytes_processed as done, bytes_total as total
    from pg_stat_progress_copy where pid = $1`,
  vacuum: `
    select 'vacuum: ' || phase as phase, heap_blks_scanned as done, heap_blks_total as total
    from pg_stat_progress_vacuum where pid = $1`,
  analyze: `
    select 'analyze: ' || phase as phase, sample_blks_scanned as done, sample_blks_total as total
    from pg_stat_progress_analyze where pid = $1`,
};

const query = Object.values(views)
  .map((sql) => `select phase, done::float8 as done, total::float8 as total from (${sql}) as v`)
  .join("\nunion all\n");

/** How far a session's statement is; undefined where it is none of those that tell. */
export async function readProgress(client: pg.ClientBase, pid: number): Promise<StatementProgress | undefined> {
  const { rows } = await client.query(query, [pid]);
  return rows[0];
}

/** Shows the progress of a statement: a bar on a terminal, elsewhere a line every few seconds through `say`. */
export interface ProgressReport {
  show(progress: StatementProgress): void;
  stop(): void;
}

// Milliseconds: a line that often is read; more of them hide what else is said.
const lineInterval = 5_000;

/**
 * @param options.title what works, such as a migration's name
 * @param options.terminal whether a bar can be drawn; by itself where stderr is a terminal
 */
export function reportProgress(options: {
  title: string;
  say: (line: string) => void;
  terminal?: boolean;
  interval?: number;
}): ProgressReport {
  const { title, say, terminal = Boolean(process.stderr.isTTY), interval = lineInterval } = options;
  let phase = "";
  let bar: Progress | undefined;
  // When this phase was first seen, and with how much done: the estimate goes by the speed since then.
  let [since, doneThen, told] = [0, 0, 0];

  return {
    show(seen) {
      const now = Date.now();
      if (seen.phase !== phase) {
        bar?.stop();
        bar = terminal ? progress({ title: `${title}: ${seen.phase}`, total: seen.total }) : undefined;
        [phase, since, doneThen] = [seen.phase, now, seen.done];
      }
      const rest = remaining(seen, now - since, doneThen);
      if (bar) bar.update(seen.done, rest);
      else if (now - told >= interval) {
        told = now;
        const share = seen.total > 0 ? `, ${Math.min(100, Math.floor((seen.done / seen.total) * 100))} %` : "";
        say(`${title}: ${seen.phase}${share}${rest ? `, ${rest}` : ""}`);
      }
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

/** How long the rest of a phase takes at the speed so far, in words; "" where that cannot be told. */
function remaining({ done, total }: StatementProgress, elapsed: number, doneThen: number): string {
  const speed = (done - doneThen) / elapsed;
  if (!(speed > 0) || total <= done) return "";
  const seconds = Math.ceil((total - done) / speed / 1000);
  return seconds < 120 ? `about ${seconds} s left` : `about ${Math.round(seconds / 60)} min left`;
}
