import { parseArgs } from "node:util";
import { report } from "../../toolkit/cli.ts";
import { UserError } from "../../toolkit/errors.ts";
import { say } from "../../toolkit/terminal.ts";
import { destroy, type Options, output, preview, refresh, up } from "./commands.ts";
import { findPulumi, runPulumi } from "./pulumi.ts";
import { Interrupted } from "./run.ts";

const usage = `usage: npm run preview | up | refresh | destroy | output -- [options]

  -s, --stack NAME        the stack: Pulumi.NAME.yaml (local)
  -c, --config KEY=VALUE  a value of the configuration, saved in the stack's file as \`pulumi\` does; may be repeated
      --diff              show which properties change
      --json              print the run on stdout as JSON
      --markdown          preview: print on stdout what becomes the comment of a pull request
      --base COMMIT       with --markdown: count its migrations as applied where no database and no state tells
      --expect-no-changes preview: exit code 1 where anything would change
      --yes               destroy: yes, remove everything
      --show-secrets      output: print secrets too
      --stand-in          use the stand-in engine although a \`pulumi\` is on PATH

Exit code: 0 fine, 1 failed, 2 wrong usage, 130 interrupted.`;

const commands: Record<string, (options: Options) => Promise<number>> = { preview, up, refresh, destroy, output };

/** The first line of every run: which engine this is, and what it cannot do. */
const standIn = (asked: boolean) =>
  `stand-in engine${asked ? "" : ", for there is no `pulumi` on PATH"}: it creates what runs on this machine; cloud resources it only previews.`;

async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      stack: { type: "string", short: "s", default: "local" },
      config: { type: "string", short: "c", multiple: true, default: [] },
      diff: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      markdown: { type: "boolean", default: false },
      base: { type: "string" },
      "expect-no-changes": { type: "boolean", default: false },
      yes: { type: "boolean", short: "y", default: false },
      "show-secrets": { type: "boolean", default: false },
      "stand-in": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const [command, name, ...rest] = positionals;
  if (values.help) {
    say(usage);
    return 0;
  }
  const run = command && Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (!run || rest.length > 0 || (name !== undefined && command !== "output"))
    throw new UserError(run ? `${command} does not take ${[name, ...rest].at(-1)}` : `there is no command ${command}`, {
      fix: "Add --help for the usage.",
      exitCode: 2,
    });
  if (values.markdown && (command !== "preview" || values.json))
    throw new UserError("--markdown is for preview, without --json", { exitCode: 2 });
  if (values.base !== undefined && !values.markdown)
    throw new UserError("--base says nothing without --markdown", { exitCode: 2 });
  const options: Options = {
    stack: values.stack,
    config: values.config.map(keyAndValue),
    diff: values.diff,
    json: values.json,
    markdown: values.markdown,
    expectNoChanges: values["expect-no-changes"],
    yes: values.yes,
    showSecrets: values["show-secrets"],
    ...(name !== undefined && { name }),
    ...(values.base !== undefined && { base: values.base }),
  };
  const pulumi = values["stand-in"] ? undefined : findPulumi();
  if (pulumi) return runPulumi(pulumi, command!, options);
  if (command !== "output") say(standIn(values["stand-in"]));
  return run(options);
}

function keyAndValue(text: string): [string, string] {
  const [, key, value] = /^([\w.:-]+)=(.*)$/s.exec(text) ?? [];
  if (key !== undefined) return [key, value!];
  throw new UserError(`--config ${text} has not the form KEY=VALUE`, { exitCode: 2 });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = error instanceof Interrupted ? 130 : report(error);
}
