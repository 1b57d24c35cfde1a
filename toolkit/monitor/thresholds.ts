import { readFile } from "node:fs/promises";
import { messageOf, UserError } from "../errors.ts";
import type { Question, Threshold } from "./question.ts";
import { allQuestions } from "./questions.ts";

/** Values that replace those of thresholds, by full name: {"connections.usedPercent": 70}. */
export type Overrides = Record<string, number>;

/** A threshold with its full name, as configurations write it. */
export interface NamedThreshold extends Threshold {
  name: string;
}

/** Every threshold of the questions, by full name. */
export function allThresholds(of: readonly Question[] = allQuestions): NamedThreshold[] {
  return of.flatMap((question) =>
    Object.entries(question.thresholds).map(([name, threshold]) => ({
      name: `${question.name}.${name}`,
      ...threshold,
    })),
  );
}

/** The overrides that concern one question, by the short names of its thresholds. */
export function overridesOf(question: Question, overrides: Overrides): Record<string, number> {
  const prefix = `${question.name}.`;
  const own = Object.entries(overrides).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value]));
}

/**
 * Takes overrides from outside (a configuration, a file, the command line) as they are.
 * @param place where they come from, for the message
 * @throws UserError (exit code 2) that names every threshold that there is not, and every value that is no number
 */
export function checkOverrides(given: unknown, place: string): Overrides {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new UserError(`the thresholds of ${place} are no object`, {
      fix: 'Write them as {"connections.usedPercent": 70}.',
      exitCode: 2,
    });
  const known = new Set(allThresholds().map(({ name }) => name));
  const mistakes = Object.entries(given).flatMap(([name, value]) => {
    if (!known.has(name)) return [`there is no threshold ${name}`];
    return typeof value === "number" && Number.isFinite(value) && value >= 0
      ? []
      : [`${name} is ${JSON.stringify(value)}, and not a number from 0 on`];
  });
  if (mistakes.length > 0)
    throw new UserError(`${place}: ${mistakes.join("; ")}`, {
      fix: "`toolkit check --list` shows every threshold with its unit.",
      exitCode: 2,
    });
  return given as Overrides;
}

/** Reads NAME=VALUE as the command line gives it. @throws UserError (exit code 2) */
export function parseOverrides(given: readonly string[]): Overrides {
  const pairs = given.map((text): [string, unknown] => {
    const [name, value = ""] = text.split(/=(.*)/s);
    return [name!, /^\s*$/.test(value) ? value : Number.isNaN(Number(value)) ? value : Number(value)];
  });
  return checkOverrides(Object.fromEntries(pairs), "--threshold");
}

/** Reads a JSON file of overrides. @throws UserError (exit code 2) when it cannot be read, or is not right */
export async function readOverrides(path: string): Promise<Overrides> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new UserError(`cannot read thresholds from ${path}`, {
      why: messageOf(error),
      fix: 'Give a JSON file as {"connections.usedPercent": 70}.',
      exitCode: 2,
    });
  }
  return checkOverrides(parsed, path);
}
