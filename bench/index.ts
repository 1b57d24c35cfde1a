import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { report } from "../toolkit/cli.ts";
import { UserError } from "../toolkit/errors.ts";
import { say } from "../toolkit/terminal.ts";

/** What benchmarks are given. */
export interface BenchOptions {
  /** Rows of the table, where there is one. */
  rows?: number;
}

/** A benchmark gives its result, and a table of it for people. */
export interface Measured {
  result: object;
  lines: string[];
}

const benchmarks: Record<
  string,
  { summary: string; load: () => Promise<(options: BenchOptions) => Promise<Measured>> }
> = {
  headline: {
    summary: "the application's queries before and after, on the same rows (--rows, 10,000,000)",
    load: async () => (await import("./headline/index.ts")).bench,
  },
  convert: {
    summary: "partition a table under live traffic: ours, in one transaction, pg_partman (--rows, 5,000,000)",
    load: async () => (await import("./convert.ts")).bench,
  },
  migrations: {
    summary: "200 small migrations: ours against bare node-pg-migrate",
    load: async () => (await import("./migrations.ts")).bench,
  },
  compression: {
    summary: "packed prices: size, and queries against the plain partitions (--rows, 1,300,000)",
    load: async () => (await import("./compression.ts")).bench,
  },
  advise: {
    summary: "the advised indexes against those that people chose, on the application's workload (--rows, 1,000,000)",
    load: async () => (await import("./advise.ts")).bench,
  },
  idle: {
    summary: "`up` with nothing to do against an empty program",
    load: async () => (await import("./idle.ts")).bench,
  },
  monitor: {
    summary: "what a snapshot costs the server, beside prometheus-postgres-exporter (--rows, 200,000)",
    load: async () => (await import("./monitor.ts")).bench,
  },
  pool: {
    summary: "statements a second through our pool against pg's own",
    load: async () => (await import("./pool.ts")).bench,
  },
  ingest: {
    summary: "bulk load against row-by-row and multi-row inserts (--rows, 200,000)",
    load: async () => (await import("./ingest.ts")).bench,
  },
};

const usage = `usage: npm run bench -- NAME [--rows N] [--json FILE]

${Object.entries(benchmarks)
  .map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`)
  .join("\n")}`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { rows: { type: "string" }, json: { type: "string" }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  const [name] = positionals;
  if (values.help || !name) {
    say(usage);
    return values.help ? 0 : 2;
  }
  const found = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
  if (!found || positionals.length > 1)
    throw new UserError(`there is no benchmark "${positionals.join(" ")}"`, {
      fix: `Use one of ${Object.keys(benchmarks).join(", ")}.`,
      exitCode: 2,
    });
  if (values.rows !== undefined && !/^[1-9]\d{3,8}$/.test(values.rows))
    throw new UserError(`--rows ${values.rows} is not a number of rows`, { fix: "Give 1000 or more.", exitCode: 2 });
  const { result, lines } = await (await found.load())({ rows: values.rows ? Number(values.rows) : undefined });
  for (const line of lines) say(line);
  const json = `${JSON.stringify(result, null, 2)}\n`;
  if (values.json) await writeFile(values.json, json);
  else process.stdout.write(json);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = report(error);
}
