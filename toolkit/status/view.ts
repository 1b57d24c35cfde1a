import { cacheHits } from "../monitor/cacheHits.ts";
import { connections } from "../monitor/connections.ts";
import { locks } from "../monitor/locks.ts";
import type { Severity } from "../monitor/question.ts";
import { replication } from "../monitor/replication.ts";
import type { Snapshot } from "../monitor/snapshot.ts";
import { tableHealth } from "../monitor/tableHealth.ts";
import { bytes, duration, percent, things } from "../monitor/texts.ts";
import { count } from "../terminal.ts";
import { columnsOf, type Format, inColumns, type Line, piece } from "./lines.ts";
import type { Rates } from "./rates.ts";
import { rowsOf } from "./sampler.ts";
import { sessions } from "./sessions.ts";
import { traffic } from "./traffic.ts";

/** What the view shows. */
export interface Seen {
  taken: Snapshot;
  /** Missing until there are two snapshots. */
  rates: Rates | undefined;
}

interface Section {
  title: string;
  rows: Line[];
  /** What is said where there is no row. */
  none: string;
}

const colours: Record<Severity, Format> = { critical: ["red", "bold"], warning: "yellow", notice: "cyan" };
const healthy = 80;

/**
 * The whole view, as lines: what the server is and does, what is wrong, what runs, who waits, how the tables are.
 * @param rows how many lines there may be; each section gets its part, and says what it leaves out
 * @param columns how wide they may be: the figures of the header go on in the next line; what is longer is cut by `render`
 */
export function view({ taken, rates }: Seen, rows: number, columns: number): Line[] {
  const header = headerOf(taken, rates, columns);
  const sections = [findings(taken), statements(taken), lockTree(taken), tables(taken)];
  // Each has a blank line before it, and a title, beside which stands what is said without rows.
  const fixed = header.length + 2 * sections.length;
  const shown = divide(
    sections.map(({ rows }) => rows.length),
    rows - fixed,
  );
  return [...header, ...sections.flatMap((section, n) => linesOf(section, shown[n]!))].slice(0, rows);
}

/** Divides lines among those that want them, one each in turn. */
function divide(wanted: number[], lines: number): number[] {
  const given = wanted.map(() => 0);
  for (let left = lines; left > 0; ) {
    const hungry = wanted.flatMap((want, n) => (want > given[n]! ? [n] : []));
    if (hungry.length === 0) break;
    for (const n of hungry.slice(0, left)) given[n]!++;
    left -= hungry.length;
  }
  return given;
}

function linesOf({ title, rows, none }: Section, shown: number): Line[] {
  if (rows.length === 0) return [[], [piece(`${title}: `, "bold"), piece(none, "dim")]];
  const left = rows.length - shown;
  return [
    [],
    [piece(title, "bold"), piece(left > 0 ? `  (${left} more)` : "", "dim")],
    ...rows.slice(0, shown).map((row) => [piece("  "), ...row]),
  ];
}

function headerOf(taken: Snapshot, rates: Rates | undefined, columns: number): Line[] {
  const { database, version, role, startedAt } = taken.server;
  const up = (Date.parse(taken.takenAt) - Date.parse(startedAt)) / 1000;
  const clock = `${taken.takenAt.slice(0, 19).replace("T", " ")} UTC`;
  return [
    [piece(database, "bold"), piece(`  PostgreSQL ${version}, ${role}, up ${duration(up)}  ${clock}`)],
    ...figures(columns, [
      ["size", rowsOf(taken, traffic)[0] ? bytes(rowsOf(taken, traffic)[0]!.sizeBytes) : "?"],
      ["connections", used(taken)],
      ["TPS", rates ? count(rates.transactionsPerSecond) : "…"],
      ["rows/s read", rates ? count(rates.rowsReadPerSecond) : "…"],
      ["written", rates ? count(rates.rowsWrittenPerSecond) : "…"],
      ["cache hits", hits(taken, rates)],
      ["replication lag", lag(taken)],
    ]),
  ];
}

/** Names with their values, as many on a line as there is room for. */
function figures(columns: number, pairs: [string, string][]): Line[] {
  const lines: Line[] = [];
  let used = 0;
  for (const [name, value] of pairs) {
    const width = columnsOf(`   ${name} ${value}`);
    const fits = lines.length > 0 && used + width <= columns;
    if (!fits) lines.push([]);
    lines.at(-1)!.push(piece(`${fits ? "   " : ""}${name} `, "dim"), piece(value));
    used = fits ? used + width : width - 3;
  }
  return lines;
}

function used(taken: Snapshot): string {
  const server = rowsOf(taken, connections).find(({ scope }) => scope === "server");
  return server ? `${server.used}/${server.most}` : "?";
}

/** Of the last interval, or, while nothing was read in it, of all since the counters were reset. */
function hits(taken: Snapshot, rates: Rates | undefined): string {
  const all = rowsOf(taken, cacheHits).find(({ kind }) => kind === "database")?.hitPercent;
  const known = rates?.hitPercent ?? all;
  return known === undefined ? "?" : percent(known);
}

/** The worst; a replica that is up to date has none to tell. */
function lag(taken: Snapshot): string {
  const replicas = rowsOf(taken, replication).filter(({ kind }) => kind !== "slot");
  if (replicas.length === 0) return "none";
  const seconds = Math.max(...replicas.map(({ lagSeconds }) => lagSeconds ?? 0));
  const behind = Math.max(...replicas.map(({ lagBytes }) => lagBytes ?? 0));
  return `${duration(seconds)}, ${bytes(behind)} of ${things(replicas.length, "replica")}`;
}

function findings(taken: Snapshot): Section {
  const number = (severity: Severity) => taken.findings.filter((finding) => finding.severity === severity).length;
  const numbers = `${number("critical")} critical, ${things(number("warning"), "warning")}, ${things(number("notice"), "notice")}`;
  return {
    title: `Findings: ${numbers}`,
    rows: inColumns(
      taken.findings.map(({ severity, question, runbook, what }) => [
        piece(severity, colours[severity]),
        piece(runbook ? `runbook ${runbook}` : `check ${question}`, "dim"),
        piece(what),
      ]),
    ),
    none: "nothing is wrong",
  };
}

function statements(taken: Snapshot): Section {
  const active = rowsOf(taken, sessions).filter(({ state }) => state === "active");
  return {
    title: "Active statements",
    rows: inColumns(
      active.map(({ pid, user, application, wait, statementSeconds, query }) => [
        piece(String(pid)),
        piece(user ?? "?"),
        piece(application ?? ""),
        piece(duration(statementSeconds ?? 0)),
        piece(wait ?? "running", wait?.startsWith("Lock:") ? "yellow" : undefined),
        piece(query),
      ]),
    ),
    none: taken.answers[sessions.name]?.unavailable ?? "nothing runs",
  };
}

function lockTree(taken: Snapshot): Section {
  return {
    title: "Locks",
    rows: rowsOf(taken, locks).map(({ depth, pid, user, state, waiting, waitSeconds, query }) => {
      const who = pid === 0 ? "a prepared transaction" : `${pid} ${user ?? "?"}`;
      return depth === 0
        ? [
            piece(who, ["red", "bold"]),
            piece(`, ${state ?? "?"}, holds up ${things(waiting, "session")}: `, "red"),
            piece(query),
          ]
        : [piece(`${"   ".repeat(depth - 1)}└─ ${who} waits ${duration(waitSeconds ?? 0)}: `), piece(query)];
    }),
    none: "nobody waits",
  };
}

function tables(taken: Snapshot): Section {
  return {
    title: "Table health, of 100 points",
    rows: inColumns(
      rowsOf(taken, tableHealth).map(({ object, score, deductions }) => [
        piece(String(score).padStart(3), score < healthy ? "yellow" : "green"),
        piece(object),
        piece(deductions.map(({ what, points }) => `${what} (-${points})`).join(", "), "dim"),
      ]),
    ),
    none: "there are no tables",
  };
}
