import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { confirmOnTerminal } from "../runbook/confirm.ts";
import { say } from "../terminal.ts";
import type { Call } from "./dryRun.ts";
import { withSession } from "./session.ts";
import { type Verb, verbs } from "./verbs.ts";

const common: Record<string, string> = {
  instance: "ID  the instance (that of the stack)",
  region: "REGION  of it (that of the stack)",
  "dry-run": " print the calls to AWS, a JSON line each; change nothing",
  yes: " do not ask",
  json: " describe: as JSON",
  timeout: "MINUTES  after which waiting is given up",
};

const usage = () => `usage: toolkit rds <what> [options]

Works on an RDS instance, by AWS's API. What changes something asks first; waiting shows how far it is; all of it may
be run again after a cut, and goes on. Credentials are found as the AWS command line finds them.

${Object.entries(verbs)
  .map(([name, verb]) => [head(name, verb), ...optionLines(verb.options)].join("\n"))
  .join("\n")}

For all of them:
${optionLines(common).join("\n")}

Exit code: 0 done, 1 AWS refused, or it failed, or you said no; 2 wrong usage, or nobody could be asked.`;

const head = (name: string, { summary, actions }: Verb) =>
  actions ? `  ${name} ${actions.join("|")}\n           ${summary}` : `  ${name.padEnd(8)} ${summary}`;

function optionLines(options: Record<string, string>): string[] {
  return Object.entries(options).map(([name, text]) => {
    const [placeholder = "", ...words] = text.split(/ +/);
    return `    ${`--${name} ${placeholder}`.padEnd(31)} ${words.join(" ")}`;
  });
}

/** What is said about an option begins with the word for its value, in capitals; a flag has none. */
const takesValue = (text: string) => !text.startsWith(" ");

function parse(argv: string[]) {
  const [name = "", ...rest] = argv;
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  const own = Object.entries({ ...common, ...verb?.options }).map(([option, text]) => {
    return [option, { type: takesValue(text) ? ("string" as const) : ("boolean" as const) }];
  });
  const options = { ...Object.fromEntries(own), help: { type: "boolean" as const, short: "h" } };
  const { values, positionals } = parseArgs({ args: verb ? rest : argv, options, allowPositionals: true });
  return { name, verb, values: values as Record<string, string | boolean | undefined>, positionals };
}

/** A stack is asked for the instance and its region unless both are given. */
export async function needsDatabase(argv: string[]): Promise<boolean> {
  const { verb, values } = parse(argv);
  return verb !== undefined && !(values.instance && regionOf(values));
}

const regionOf = (values: Record<string, string | boolean | undefined>) =>
  values.region || process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION;

/**
 * The command `rds`.
 * @returns the exit code
 * @throws UserError (exit code 2) for what is wrong or missing; (1) for what AWS refuses
 */
export async function command(argv: string[], _: Connection, context: Context): Promise<number> {
  const { name, verb, values, positionals } = parse(argv);
  if (values.help) {
    say(usage());
    return 0;
  }
  if (!verb)
    throw new UserError(name ? `there is no \`toolkit rds ${name}\`` : "what to do is not told", {
      fix: `Use one of ${Object.keys(verbs).join(", ")}; --help explains them.`,
      exitCode: 2,
    });
  const [action = "", ...more] = positionals;
  if (more.length > 0 || (verb.actions ? !verb.actions.includes(action) : action))
    throw new UserError(
      `toolkit rds ${[name, ...positionals].join(" ")}: it takes ${verb.actions?.join(" or ") ?? "options only"}`,
      {
        exitCode: 2,
      },
    );
  const work = verb.prepare(values, action);
  const found = await withSession(
    {
      ...target(values, context),
      say,
      ...(values["dry-run"] && { print: (call: Call) => void process.stdout.write(`${JSON.stringify(call)}\n`) }),
      ...(values.timeout && { timeout: minutes(String(values.timeout)) }),
      confirm: async (question) => (values.yes ? "yes" : confirmOnTerminal(question, () => {})),
    },
    work,
  );
  if (verb.answers && !values["dry-run"])
    process.stdout.write(values.json ? `${JSON.stringify(found)}\n` : table(found as object));
  return 0;
}

function target(values: Record<string, string | boolean | undefined>, { backup }: Context) {
  const stack = backup?.kind === "rds" ? backup : undefined;
  const instance = values.instance || stack?.instanceIdentifier;
  const region = values.region || stack?.region || regionOf(values);
  if (instance && region)
    return {
      instance: String(instance),
      region: String(region),
      ...(stack?.endpoint && { endpoint: stack.endpoint }),
    };
  throw new UserError(`${instance ? "the region" : "the instance"} is not told`, {
    why: "The stack is none of RDS, or no stack is asked.",
    fix: "Add --stack NAME, or --instance ID --region REGION.",
    exitCode: 2,
  });
}

function minutes(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) > 0) return Number(text);
  throw new UserError(`--timeout ${text} is not a number of minutes`, { exitCode: 2 });
}

const table = (found: object) =>
  Object.entries(found)
    .map(([name, value]) => `${name.padEnd(20)} ${value}\n`)
    .join("");
