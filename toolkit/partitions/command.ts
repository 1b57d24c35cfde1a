import { parseArgs } from "node:util";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import { ensurePartitions } from "./ensure.ts";
import { number, oneOf, options, policyFrom, requireUsage, usage, type Values } from "./options.ts";
import { defaultAhead, forgetPolicy, type Policy, policyOf, setPolicy } from "./policy.ts";
import { provePruning } from "./pruning.ts";
import { repairPartitions } from "./repair.ts";
import { restorePartition } from "./restore.ts";
import { retainPartitions } from "./retain.ts";
import { defaultSchedule, schedule } from "./schedule.ts";
import { summaryStaleness } from "./staleness.ts";
import { partitionStatus } from "./status.ts";
import { chooseTables } from "./tables.ts";

/**
 * The command `partitions`.
 * @returns the exit code: 1 where status finds something to do now
 * @throws UserError with exit code 2 for wrong usage
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  if (values.help) {
    say(usage);
    return 0;
  }
  const [action = "status", name, ...rest] = positionals;
  requireUsage(action, name, rest, values);
  const { data, lines, code = 0 } = await perform(action, name, values, connection);
  if (values.json) process.stdout.write(`${JSON.stringify(data, null, 2)}\n`);
  else for (const line of lines) process.stdout.write(`${line}\n`);
  return code;
}

async function perform(
  action: string,
  name: string | undefined,
  values: Values,
  connection: Connection,
): Promise<{ data: unknown; lines: string[]; code?: number }> {
  const policy = policyFrom(values);
  const work = {
    ...{ table: name, policy, say, dryRun: values["dry-run"] ?? false },
    ...(values["lock-timeout"] === undefined ? {} : { lockTimeout: number("lock-timeout", values, 1, 600_000) }),
  };
  const reading = <T>(ask: Parameters<typeof withClient<T>>[2]) =>
    withClient(connection, { applicationName: "partitions" }, ask);
  switch (action) {
    case "ensure":
    case "repair": {
      const data = await (action === "ensure" ? ensurePartitions : repairPartitions)(connection, work);
      const left = data.flatMap((each) => each.left ?? []);
      for (const line of left) say(line);
      return { data, lines: [], code: left.length > 0 ? 1 : 0 };
    }
    case "retain": {
      const format = oneOf("format", values.format ?? "csv", ["csv", "binary"] as const);
      const place = values.directory === undefined ? {} : { directory: values.directory };
      return { data: await retainPartitions(connection, { ...work, ...place, format }), lines: [] };
    }
    case "restore":
      return { data: await restorePartition(connection, name!, work), lines: [] };
    case "policy":
      return reading(async (client) => {
        const table = (await chooseTables(client, name))[0]!;
        if (values.forget) await forgetPolicy(client, table);
        else if (Object.keys(policy).length > 0) {
          const present = await policyOf(client, table, policy);
          if (!present)
            throw new UserError(`it is not said how long a partition of ${table.sql} is`, {
              fix: "Add --interval month, week or day.",
              exitCode: 2,
            });
          const { source, ...set } = present;
          await setPolicy(client, table, {
            ...set,
            ahead: policy.ahead ?? (source === "set" ? set.ahead : defaultAhead[set.interval]),
          });
        }
        const data = (await policyOf(client, table)) ?? null;
        return { data, lines: [`${table.sql}  ${describe(data)}`] };
      });
    case "prune":
      return reading(async (client) => {
        const data = await provePruning(client, name!);
        const lines = data.cases.map(
          (each) => `${each.name.padEnd(8)}  ${each.scanned} of ${data.partitions} partitions scanned`,
        );
        return { data, lines, code: data.cases.every(({ pruned }) => pruned) ? 0 : 1 };
      });
    case "schedule": {
      if ([values.cron, values.remove, values.show].filter(Boolean).length > 1)
        throw new UserError("--cron, --remove and --show do not go together", { fix: "Choose one.", exitCode: 2 });
      const wish = values.remove ? "remove" : values.show ? "show" : { schedule: values.cron ?? defaultSchedule };
      const jobs = await reading((client) => schedule(client, wish));
      return {
        data: jobs,
        lines: jobs.map((job) => `${job.schedule}  ${job.command}${job.active ? "" : "  (not active)"}`),
      };
    }
    case "stale":
      return reading(async (client) => {
        const data = await summaryStaleness(client);
        const lines = data.map(
          (each) =>
            `${each.name}  ${each.refreshedAt ? `refreshed ${each.refreshedAt.toISOString()}` : "never refreshed"}, ${each.waiting} changes wait${each.staleSince ? `, the first since ${each.staleSince.toISOString()}` : ""}`,
        );
        return { data, lines };
      });
    default:
      return reading(async (client) => {
        const { rows, findings } = await partitionStatus(client, { table: name, policy });
        for (const { severity, object, what, why, fix } of findings)
          say(`${severity}: ${object}: ${what}\n  why: ${why}\n  fix: ${fix}`);
        const lines = rows.map(
          (row) =>
            `${row.table}  ${row.partitions} partitions until ${row.coveredUntil ?? "?"}  ${describe(row.policy)}`,
        );
        return {
          data: { rows, findings },
          lines,
          code: findings.some(({ severity }) => severity !== "notice") ? 1 : 0,
        };
      });
  }
}

function describe(policy: (Policy & { source: string }) | null): string {
  if (!policy) return "no policy";
  const { interval, ahead, retention, onExpire, source } = policy;
  return `each ${interval}, ${ahead} ahead, ${retention ? `${onExpire} after ${retention}` : "kept for ever"} (${source})`;
}
