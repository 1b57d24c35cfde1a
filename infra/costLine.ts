import { known } from "./policy/rule.ts";

/** One line of an estimate. */
export interface CostLine {
  what: string;
  /** How the amount comes about, or why there is none. */
  how: string;
  /** US dollars a month; undefined where it is not known. */
  monthly?: number;
}

/** A property as text; undefined where it is none, or not known yet. */
export function text(value: unknown): string | undefined {
  const found = known(value);
  return typeof found === "string" ? found : undefined;
}

/** A property as a number; undefined where it is none, or not known yet. */
export function number(value: unknown): number | undefined {
  const found = known(value);
  return found === undefined || found === null || Number.isNaN(Number(found)) ? undefined : Number(found);
}

/** An amount as people write it; with more digits for a unit price. */
export function dollars(amount: number, digits = 2): string {
  const [minimumFractionDigits, maximumFractionDigits] = [2, digits];
  return `$${amount.toLocaleString("en-US", { minimumFractionDigits, maximumFractionDigits })}`;
}
