import { UserError } from "../errors.ts";

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** Milliseconds of a day, for rates. */
export const day = units.d!;

/**
 * Reads a length of time as the command line gives it: 15s, 5m, 12h, 7d, 2w.
 * @returns milliseconds
 * @throws UserError (exit code 2)
 */
export function parseDuration(option: string, text: string): number {
  const [, amount, unit] = /^([1-9]\d{0,5})([smhdw])$/.exec(text) ?? [];
  if (amount && unit) return Number(amount) * units[unit]!;
  throw new UserError(`--${option} ${text} is not a length of time`, {
    fix: "Write it as 15s, 5m, 12h, 7d or 2w.",
    exitCode: 2,
  });
}
