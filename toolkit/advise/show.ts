import { count } from "../terminal.ts";
import { type Advice, firstLine } from "./advise.ts";

const statementsShown = 12;

/** An advice for people. */
export function adviceLines(advice: Advice): string[] {
  const { indexes, drops, statements, tables, notes, skipped, servers } = advice;
  const sum = (side: "before" | "after", size: "sample" | "whole") =>
    statements.reduce((total, each) => total + each.calls * each[side][size], 0);
  const sampled = tables.filter(({ rows, sampled }) => sampled < rows * 0.99);
  const share = sampled.map(({ name, rows, sampled }) => `${name} ${((100 * sampled) / rows).toFixed(1)} %`);
  const versions =
    servers.database.split(".")[0] === servers.copy.split(".")[0]
      ? ""
      : ` The copy ran on PostgreSQL ${servers.copy}, the database is ${servers.database}.`;
  return [
    `measured on a copy of ${share.length > 0 ? `a sample (${share.join(", ")} of the rows; the others whole)` : "all rows"}, ${advice.candidates} candidates built${advice.hypopg ? ", those that hypopg found likely" : ""}.${versions}`,
    "",
    ...(indexes.length === 0
      ? ["no index would serve this workload better"]
      : ["new indexes, with the time of all calls as it would be at the size of the database:"]),
    ...indexes.flatMap(({ name, definition, bytes, workload, insert }) => [
      `  create index ${name} on ${definition}`,
      `    without it the workload takes ${time(workload.without)} instead of ${time(workload.with)} (± ${time(workload.noise)}); ${size(bytes.whole)}; ` +
        `an insert takes ${insert.with.toFixed(1)} µs a row instead of ${insert.without.toFixed(1)}`,
    ]),
    ...(drops.length > 0 ? ["", "superfluous indexes:"] : []),
    ...drops.flatMap(({ name, by, bytes, workload }) => [
      `  drop index ${name}`,
      `    ${by} serves for it; ${size(bytes)}; the workload takes ${time(workload.without)} without it, ${time(workload.with)} with it (± ${time(workload.noise)})`,
    ]),
    ...["", "statements, a call, before and after on the sample, and what that means at the size of the database:"],
    ...statements
      .toSorted((a, b) => b.calls * b.before.whole - a.calls * a.before.whole)
      .slice(0, statementsShown)
      .map(
        ({ text, before, after }) =>
          `  ${[before.sample, after.sample, before.whole, after.whole].map((ms) => time(ms).padStart(9)).join(" ")}  ${firstLine(text)}`,
      ),
    `  all calls: ${time(sum("before", "sample"))}, then ${time(sum("after", "sample"))}; ` +
      `at the size of the database about ${time(sum("before", "whole"))}, then ${time(sum("after", "whole"))}`,
    "  (extrapolated from two sizes of the sample: flat, linear or between, as each statement grew)",
    ...(notes.length > 0 ? ["", "to look at:", ...notes.map((note) => `  ${note}`)] : []),
    ...(skipped.length > 0 ? ["", "statements left out:"] : []),
    ...skipped.map(({ text, why }) => `  ${firstLine(text)}: ${why}`),
    "",
    modelLine(advice),
  ];
}

function modelLine({ model: { errorFactor, examples, statements } }: Advice): string {
  const learned = `the model that ranked them has learned from ${count(examples)} measurements of ${statements} statements`;
  return errorFactor === undefined
    ? `${learned}, too few to tell its error`
    : `${learned}; on statements that it had not seen it is off by a factor of ${errorFactor.toFixed(1)} (median)`;
}

function time(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms >= 100 ? `${ms.toFixed(0)} ms` : `${ms.toPrecision(2)} ms`;
}

function size(bytes: number): string {
  return bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MB` : `${(bytes / 1024).toFixed(0)} kB`;
}
