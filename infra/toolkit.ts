import "./engine/compileCache.ts";
import { parseArgs } from "node:util";
import type { BackupTarget } from "../toolkit/backup/target.ts";
import { type Context, fromEnvironment, main } from "../toolkit/cli.ts";
import { type Connection, parseConnectionString } from "../toolkit/connection.ts";
import { UserError } from "../toolkit/errors.ts";

/**
 * The toolkit, pointed at a stack's database: `npm run load` and `npm run toolkit` come here. `--stack NAME` (local by
 * default) picks the stack; DATABASE_URL, where it is set and no stack is named, wins.
 */
const { values, tokens } = parseArgs({
  args: process.argv.slice(2),
  options: { stack: { type: "string", short: "s" } },
  strict: false,
  allowPositionals: true,
  tokens: true,
});

const stackToken = tokens.find((token) => token.kind === "option" && token.name === "stack");

async function connect(): Promise<[Connection, Context]> {
  const named = typeof values.stack === "string" ? values.stack : undefined;
  if (!named && process.env.DATABASE_URL) return fromEnvironment();
  const stack = named ?? "local";
  const { stackOutputs } = await import("./engine/outputs.ts");
  const { connectionString: url, backup, keptBackups, thresholds } = await stackOutputs(stack);
  if (typeof url !== "string")
    throw new UserError(`the stack ${stack} has no database yet`, {
      fix: `Run \`npm run up${stack === "local" ? "" : ` -- --stack ${stack}`}\` first.`,
    });
  return [
    parseConnectionString(url),
    {
      backup: backup as BackupTarget,
      // A stack that was made before there was this output keeps its backups to itself.
      ...(keptBackups ? { keptBackups: keptBackups as NonNullable<Context["keptBackups"]> } : {}),
      ...(thresholds ? { thresholds: thresholds as Record<string, number> } : {}),
    },
  ];
}

/** The arguments without `--stack NAME`, which the toolkit does not know. */
function withoutStack(argv: string[]): string[] {
  if (stackToken?.kind !== "option") return argv;
  const length = stackToken.inlineValue ? 1 : 2;
  return argv.toSpliced(stackToken.index, length);
}

process.exitCode = await main(withoutStack(process.argv.slice(2)), connect);
