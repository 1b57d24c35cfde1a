import { UserError } from "../errors.ts";

/** One option of a query: how it is read and checked, from TypeScript as from the command line. */
export interface Option<Value> {
  /** What it means, for the list of options. */
  about: string;
  /** What a value looks like on the command line. */
  placeholder: string;
  /** What is shown as the default; none where the option must be given or means nothing when left out. */
  shownDefault?: string;
  /** @returns the checked value; what it says when it throws is a whole sentence of what is wanted */
  read(value: unknown): Value;
}

/** The options of a query, by name. */
export type OptionTable = Record<string, Option<unknown>>;

/** An option that must be given. */
export type RequiredOption<Value> = Option<Value> & { required: true };

/** What a caller may pass. */
export type Given<Table extends OptionTable> = {
  [Name in keyof Table as Table[Name] extends RequiredOption<unknown> ? Name : never]: Read<Table[Name]>;
} & { [Name in keyof Table as Table[Name] extends RequiredOption<unknown> ? never : Name]?: Read<Table[Name]> };

/** What a query works with. */
export type Checked<Table extends OptionTable> = { [Name in keyof Table]: Read<Table[Name]> };

type Read<One> = One extends Option<infer Value> ? Value : never;
type Detail = Pick<Option<unknown>, "about">;

/**
 * Reads the options of a query.
 * @throws UserError with exit code 2 for a name that it has not, and for a value that is none
 */
export function readOptions<Table extends OptionTable>(table: Table, given: object, query: string): Checked<Table> {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(table, name));
  if (unknown)
    throw new UserError(`the query ${query} has no option ${unknown}`, {
      fix: `Use one of ${Object.keys(table).join(", ")}.`,
      exitCode: 2,
    });
  const read = Object.entries(table).map(([name, option]) => {
    const value = (given as Record<string, unknown>)[name];
    try {
      return [name, option.read(value)];
    } catch (error) {
      const shown = value === undefined ? "is missing" : `${JSON.stringify(value)} is not accepted`;
      throw new UserError(`the option ${name} of the query ${query} ${shown}`, {
        fix: (error as Error).message,
        exitCode: 2,
      });
    }
  });
  return Object.fromEntries(read);
}

/** A whole number; text of digits is one too. */
export function whole(detail: Detail & { least: number; most: number; default: number }): Option<number> {
  const { least, most, about } = detail;
  return {
    about,
    placeholder: "N",
    shownDefault: String(detail.default),
    read(value = detail.default) {
      const number = typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
      if (typeof number === "number" && Number.isInteger(number) && number >= least && number <= most) return number;
      throw new Error(`Give a whole number from ${least} to ${most}.`);
    },
  };
}

/** A number, or undefined. */
export function decimal({ about }: Detail): Option<number | undefined> {
  return {
    about,
    placeholder: "X",
    read(value) {
      if (value === undefined) return undefined;
      const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      if (typeof number === "number" && Number.isFinite(number)) return number;
      throw new Error("Give a number.");
    },
  };
}

/** A day as YYYY-MM-DD, or undefined: text, for a Date has a time zone that moves it. */
export function day({ about, shownDefault }: Detail & { shownDefault?: string }): Option<string | undefined> {
  return {
    about,
    placeholder: "YYYY-MM-DD",
    ...(shownDefault ? { shownDefault } : {}),
    read(value) {
      if (value === undefined) return undefined;
      if (typeof value === "string" && isDay(value)) return value;
      throw new Error("Give a day as YYYY-MM-DD.");
    },
  };
}

/** Whether a text is a day of the calendar, as YYYY-MM-DD. */
export function isDay(value: string): boolean {
  const time = /^\d{4}-\d\d-\d\d$/.test(value) ? Date.parse(value) : Number.NaN;
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value);
}

/** One text out of a few, or undefined. */
export function oneOf<Value extends string>(values: readonly Value[], { about }: Detail): Option<Value | undefined> {
  return {
    about,
    placeholder: values.join("|"),
    read(value) {
      const found = values.find((one) => one === value);
      if (value === undefined || found !== undefined) return found;
      throw new Error(`Give one of ${values.join(", ")}.`);
    },
  };
}

/** A text that is not empty, or undefined. */
export function text({ about, placeholder }: Detail & { placeholder: string }): Option<string | undefined> {
  return { about, placeholder, read: (value) => (value === undefined ? undefined : readText(value)) };
}

/** A text that must be given. */
export function requiredText({ about, placeholder }: Detail & { placeholder: string }): RequiredOption<string> {
  return { about, placeholder, required: true, read: readText };
}

function readText(value: unknown): string {
  if (typeof value === "string" && value !== "" && !value.includes("\0")) return value;
  throw new Error("Give a text that is not empty.");
}

/** Symbols of stocks, without repetition, or undefined; on the command line joined by commas. */
export function symbols({ about, most }: Detail & { most: number }): Option<string[] | undefined> {
  const read = symbolsReader(1, most);
  return {
    about,
    placeholder: "A,B,…",
    shownDefault: "all",
    read: (value) => (value === undefined ? undefined : read(value)),
  };
}

/** Symbols of stocks, of which some must be given. */
export function requiredSymbols(detail: Detail & { least: number; most: number }): RequiredOption<string[]> {
  const { about, least, most } = detail;
  return { about, placeholder: "A,B,…", required: true, read: symbolsReader(least, most) };
}

function symbolsReader(least: number, most: number): (value: unknown) => string[] {
  return (value) => {
    const list: unknown = typeof value === "string" ? value.split(",") : value;
    const texts = Array.isArray(list) ? [...new Set<unknown>(list)] : [];
    if (texts.length >= least && texts.length <= most && texts.every(isSymbol)) return texts;
    throw new Error(`Give ${least} to ${most} different symbols.`);
  };
}

const isSymbol = (value: unknown): value is string =>
  typeof value === "string" && value.trim() === value && value !== "" && !value.includes("\0");
