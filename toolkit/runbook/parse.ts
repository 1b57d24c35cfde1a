import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parse as parseYaml } from "yaml";
import { UserError } from "../errors.ts";
import { type Expectation, parseExpectation } from "./expectations.ts";
import { declaredParameters, type Parameter } from "./parameters.ts";

/** One situation and the way out of it. */
export interface Page {
  /** The file's name without its ending: what the command is called with. */
  name: string;
  file: string;
  title: string;
  /** What somebody sees who needs this page. */
  symptom: string;
  /** The rights that it takes, in words. */
  needs: string;
  parameters: Parameter[];
  steps: Step[];
}

/** One block of a page that can be run. */
export interface Step {
  /** From 1. */
  number: number;
  title: string;
  why: string;
  language: "sql" | "toolkit";
  text: string;
  /** Whether it changes something; other steps of SQL run in a read-only transaction. */
  changes: boolean;
  /** Whether it may wait for locks as long as it takes: CREATE INDEX CONCURRENTLY and its like. */
  waits: boolean;
  expectations: Expectation[];
  risk: string;
  /** Where to go when an expectation is not met. */
  otherwise: string;
}

/** The folder of pages, relative to the project's root, which is the current folder. */
export const pagesFolder = "runbooks";

const languages = new Set(["sql", "toolkit"]);
const attributes = new Set(["changes", "waits"]);

/**
 * Reads a page.
 * @throws UserError that names the file and what in it cannot be understood
 */
export async function readPage(name: string, folder: string = pagesFolder): Promise<Page> {
  const file = join(folder, `${name}.md`);
  return parsePage(await readFile(file, "utf8"), file);
}

/**
 * Parses a page: a title, a block of YAML, then a section (`##`) for each step with a paragraph, one fenced block and a list
 * of Expect, Risk and Otherwise. The form is described in runbooks/README.md. It uses so little of Markdown that
 * reading it line by line is simpler than a parser of all of it.
 * @throws UserError that names the file and what in it cannot be understood
 */
export function parsePage(text: string, file: string): Page {
  const refuse = (what: string): UserError =>
    new UserError(`${file}: ${what}`, { fix: `Correct the page as ${pagesFolder}/README.md describes it.` });
  const [, title, front, body] =
    /^# ([^\n]+)\n(?:(?!## )[^\n]*\n)*?```yaml\n([\s\S]*?)\n```\n([\s\S]*)$/.exec(text.replaceAll("\r\n", "\n")) ?? [];
  if (title === undefined || front === undefined || body === undefined)
    throw refuse("it does not begin with a title and a block of YAML");
  const head = { title: title.trim(), ...readFront(front, refuse) };
  const parameters = declaredParameters(head.parameters, refuse);
  const known = new Set(parameters.map(({ name }) => name));
  const steps = sections(body)
    .flatMap((section) => readStep(section, refuse) ?? [])
    .map((step, index) => ({ ...step, number: index + 1 }));
  if (steps.length === 0) throw refuse("it has no step");
  for (const { title, text, expectations } of steps) {
    const named = [...parameterNames(text), ...expectations.flatMap(({ value }) => parameterNames(String(value)))];
    const stranger = named.find((name) => !known.has(name));
    if (stranger) throw refuse(`"${title}" uses $${stranger}, which is no parameter`);
  }
  return { name: basename(file, ".md"), file, ...head, parameters, steps };
}

/**
 * What in a text is no place for a parameter: strings, quoted names, comments, dollar-quoted strings; and, in group 1,
 * the parameters.
 */
export const parameterPattern =
  /'(?:[^']|'')*'|"[^"]*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$\$[\s\S]*?\$\$|(?<![\w$])\$([a-z][a-z_]*)/g;

function parameterNames(text: string): string[] {
  return Array.from(text.matchAll(parameterPattern), ([, name]) => name).filter((name) => name !== undefined);
}

function readFront(front: string, refuse: (what: string) => UserError) {
  const { symptom, needs, parameters = {}, ...rest } = parseYaml(front) as Record<string, unknown>;
  const unknown = Object.keys(rest)[0];
  if (unknown) throw refuse(`its YAML has an unknown key ${unknown}`);
  if (typeof symptom !== "string" || typeof needs !== "string") throw refuse("its YAML lacks symptom or needs");
  return { symptom, needs, parameters };
}

interface Section {
  title: string;
  lines: string[];
}

/** The sections of a page; a heading inside a fenced block is none. */
function sections(body: string): Section[] {
  const found: Section[] = [];
  let fenced = false;
  for (const line of body.split("\n")) {
    if (line.startsWith("```")) fenced = !fenced;
    const heading = fenced ? null : /^## (.+)$/.exec(line);
    if (heading) found.push({ title: heading[1]!.trim(), lines: [] });
    else found.at(-1)?.lines.push(line);
  }
  return found;
}

function readStep({ title, lines }: Section, refuse: (what: string) => UserError): Omit<Step, "number"> | undefined {
  const text = lines.join("\n");
  const blocks = [...text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].filter(([, info]) =>
    languages.has(info!.split(" ")[0]!),
  );
  if (blocks.length === 0) return undefined;
  if (blocks.length > 1) throw refuse(`"${title}" has more than one block that runs`);
  const [whole, info, code] = blocks[0]!;
  const [language, ...words] = info!.trim().split(/\s+/);
  const unknown = words.find((word) => !attributes.has(word));
  if (unknown) throw refuse(`"${title}" has an unknown attribute ${unknown}`);
  const why = joined(text.slice(0, blocks[0]!.index));
  const notes = readNotes(text.slice(blocks[0]!.index + whole.length));
  const changes = words.includes("changes");
  if (!why) throw refuse(`"${title}" does not say why`);
  if (!notes.Expect || !notes.Otherwise) throw refuse(`"${title}" lacks Expect or Otherwise`);
  if (changes && !notes.Risk) throw refuse(`"${title}" changes something and lacks Risk`);
  const expectations = codes(notes.Expect).map((code) => parseExpectation(code, refuse));
  if (expectations.length === 0) throw refuse(`"${title}" expects nothing that can be checked`);
  return {
    title,
    why,
    language: language as Step["language"],
    text: code!.trim(),
    changes,
    waits: words.includes("waits"),
    expectations,
    risk: notes.Risk ?? "",
    otherwise: notes.Otherwise,
  };
}

/** The list under a block: `- **Expect** …`, each item over as many lines as it needs. */
function readNotes(text: string): Partial<Record<"Expect" | "Risk" | "Otherwise", string>> {
  const items = text.matchAll(/^- \*\*(Expect|Risk|Otherwise)\*\*:? ([\s\S]*?)(?=^- |\n\n|$(?![\s\S]))/gm);
  return Object.fromEntries(Array.from(items, ([, label, words]) => [label, joined(words!)]));
}

/** The `code` of a text up to the first bracket, from which on it only explains. */
function codes(text: string): string[] {
  const found: string[] = [];
  for (const [part, code] of text.matchAll(/`([^`]+)`|\(/g)) {
    if (part === "(") break;
    found.push(code!);
  }
  return found;
}

function joined(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}
