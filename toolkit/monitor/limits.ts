import type { Context } from "../cli.ts";
import { checkOverrides, type Overrides, parseOverrides, readOverrides } from "./thresholds.ts";

/** The options by which a command takes other limits, for parseArgs. */
export const limitOptions = {
  threshold: { type: "string", multiple: true, default: [] as string[] },
  thresholds: { type: "string" },
} as const;

/** How a command's usage tells them. */
export const limitUsage = `  --threshold NAME=VALUE   another limit, as connections.usedPercent=70; may be repeated
  --thresholds FILE.json   other limits, as {"connections.usedPercent": 70}; \`toolkit check --list\` shows them all`;

/**
 * The limits of a call: those of the command line win over those of the file, and those over the stack's.
 * @throws UserError (exit code 2) for a limit that there is not
 */
export async function limitsOf(
  values: { threshold: string[]; thresholds?: string | undefined },
  context: Pick<Context, "thresholds">,
): Promise<Overrides> {
  return {
    ...checkOverrides(context.thresholds ?? {}, "database:thresholds"),
    ...(values.thresholds ? await readOverrides(values.thresholds) : {}),
    ...parseOverrides(values.threshold),
  };
}
