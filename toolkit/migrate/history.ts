import type pg from "pg";

/** One step of a run, as `toolkit history` prints it. */
export interface HistoryEntry {
  run: number;
  kind: string;
  migration: string | null;
  startedAt: string;
  finishedAt: string | null;
  /** null while a step is at work, or where it was killed and no run went on with it yet. */
  result: string | null;
  /** How long it took; null where it is not known. */
  milliseconds: number | null;
  lockWaitMilliseconds: number | null;
  attempts: number | null;
  rows: number | null;
  message: string | null;
  who: string;
  applicationVersion: string;
  runResult: string | null;
}

/**
 * The last steps, the oldest of them first; none where nothing was ever recorded.
 * @param limit how many
 */
export async function readHistory(client: pg.ClientBase, limit: number): Promise<HistoryEntry[]> {
  const found = await client.query("select to_regclass('deploy.step') is not null as present");
  if (!found.rows[0].present) return [];
  const { rows } = await client.query(
    `select * from (
       select s.id, s.run_id::int as run, s.kind, s.migration,
              to_char(s.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "startedAt",
              to_char(s.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "finishedAt",
              s.result,
              round(extract(epoch from s.finished_at - s.started_at) * 1000)::int as milliseconds,
              s.lock_wait_ms::int as "lockWaitMilliseconds", s.attempts, s.rows_affected::float8 as rows,
              s.message, s.who, s.application_version as "applicationVersion", r.result as "runResult"
       from deploy.step s join deploy.run r on r.id = s.run_id
       order by s.id desc limit $1
     ) as latest order by id`,
    [limit],
  );
  return rows.map(({ id: _, ...entry }) => entry);
}

/** The steps as lines of a table for people. */
export function historyTable(entries: readonly HistoryEntry[]): string[] {
  const header = ["run", "started (UTC)", "step", "migration", "result", "ms", "lock wait", "rows", "who", "message"];
  const body = entries.map((entry) => [
    String(entry.run),
    entry.startedAt.slice(0, 19).replace("T", " "),
    entry.kind,
    entry.migration ?? "",
    entry.result ?? "unfinished",
    String(entry.milliseconds ?? ""),
    entry.attempts === null
      ? ""
      : `${entry.lockWaitMilliseconds} ms${entry.attempts > 1 ? ` (${entry.attempts}×)` : ""}`,
    String(entry.rows ?? ""),
    entry.who,
    (entry.message ?? "").split("\n")[0]!,
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...body.map((row) => row[column]!.length)));
  return [header, ...body].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
