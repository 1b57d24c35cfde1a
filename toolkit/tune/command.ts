import { parseArgs } from "node:util";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { instanceClasses } from "../rds/classes.ts";
import { say } from "../terminal.ts";
import { readEvidence, readSettings } from "./evidence.ts";
import { recommend, type Target } from "./recommend.ts";
import { render } from "./render.ts";
import { rules, type Workload, workloads } from "./rules.ts";
import { parseMemory } from "./units.ts";
import { writeParameters } from "./write.ts";

const usage = `usage: toolkit tune (--class CLASS | --memory SIZE --cpus N) [options]

Recommends PostgreSQL's parameters and the sizes of connection pools for a server and a workload, each with its reason and
the page that it comes from; compares them with the database, whose counters (temporary files, checkpoints, hits,
sessions, autovacuum) correct the rules. It changes nothing in the database.

  --class CLASS       an RDS instance class, like db.r7g.large
  --memory SIZE       memory that the server may count on, like 8GB
  --cpus N            its processors
  --workload KIND     ${workloads.join(", ")} (mixed)
  --processes N       processes of the application, each with a pool (1)
  --connections N     sessions of all pools together (computed)
  --write FILE        write what is to be changed into a stack's file, like Pulumi.prod.yaml
  --dry-run           with --write: only tell what would be written
  --offline           ask no database
  --json              print everything on stdout as JSON

Exit code: 0 fine, 2 wrong usage.`;

const options = {
  class: { type: "string" },
  memory: { type: "string" },
  cpus: { type: "string" },
  workload: { type: "string", default: "mixed" },
  processes: { type: "string", default: "1" },
  connections: { type: "string" },
  write: { type: "string" },
  "dry-run": { type: "boolean" },
  offline: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

/** Whether these arguments ask for a database; looked at first, so that a mistake is told before anybody connects. */
export async function needsDatabase(argv: string[]): Promise<boolean> {
  const { values } = parseArgs({ args: argv, options });
  readTarget(values);
  return !values.offline;
}

/**
 * The command `tune`.
 * @returns the exit code
 * @throws UserError with exit code 2 for wrong options, and as `writeParameters`
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  const target = readTarget(values);
  const live = values.offline
    ? undefined
    : await withClient(connection, { applicationName: "tune" }, async (client) => ({
        settings: await readSettings(
          client,
          rules.map(({ name }) => name),
        ),
        evidence: await readEvidence(client),
      }));
  const advice = recommend(target, live);
  if (values.json)
    process.stdout.write(`${JSON.stringify({ ...advice, evidence: live?.evidence ?? null }, null, 2)}\n`);
  else process.stdout.write(`${render(advice, live?.evidence).join("\n")}\n`);
  if (values.write === undefined) return 0;
  const dry = values["dry-run"] ?? false;
  const written = await writeParameters(
    values.write,
    advice.parameters.filter(({ change }) => change),
    { dry },
  );
  for (const { name, before, after } of written) say(`${values.write}: ${name}: ${before ?? "none"} -> ${after}`);
  say(
    `${written.length} parameters ${dry ? "would be written" : "written"}; \`npm run preview\` shows what they change`,
  );
  return 0;
}

function readTarget(values: Values): Target {
  const { class: name, memory, cpus, workload } = values;
  if (values.help) return { memory: 0, cpus: 0, workload: "mixed", processes: 1 };
  if (values["dry-run"] && values.write === undefined)
    throw wrong("--dry-run is about --write FILE", "Add --write FILE.");
  if (!workloads.includes(workload as Workload))
    throw wrong(`there is no workload "${workload}"`, `Use one of ${workloads.join(", ")}.`);
  return {
    ...readSize(name, memory, cpus),
    workload: workload as Workload,
    processes: whole("processes", values.processes, 1_000),
    ...(values.connections !== undefined && { connections: whole("connections", values.connections, 10_000) }),
  };
}

function readSize(name: string | undefined, memory: string | undefined, cpus: string | undefined) {
  if ((name === undefined) === (memory === undefined && cpus === undefined))
    throw wrong("the size of the server is not told, or twice", "Give --class db.r7g.large, or --memory 8GB --cpus 4.");
  if (name !== undefined) {
    const size = Object.hasOwn(instanceClasses, name) ? instanceClasses[name] : undefined;
    if (size) return { memory: size.memory, cpus: size.vcpus };
    throw wrong(
      `the instance class ${name} is not known`,
      "Use one of toolkit/rds/classes.ts, or give --memory and --cpus.",
    );
  }
  const bytes = parseMemory(memory ?? "");
  if (!bytes) throw wrong(`--memory ${memory ?? ""} is no amount of memory`, "Write it like 8GB or 512MB.");
  return { memory: bytes, cpus: whole("cpus", cpus ?? "", 1_000) };
}

function whole(option: string, text: string, most: number): number {
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= most) return Number(text);
  throw wrong(`--${option} ${text} is not a number from 1 to ${most}`, "Give a whole number in that range.");
}

const wrong = (what: string, fix: string) => new UserError(what, { fix, exitCode: 2 });
