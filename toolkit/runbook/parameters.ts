import { UserError } from "../errors.ts";

/** A value that a page is run with. */
export interface Parameter {
  name: string;
  description: string;
  /** Left out: it has to be given. */
  default?: string;
  /** Taken from the default: what is a number there has to be one. */
  type: "number" | "text";
}

/** The values of a page's parameters, by name. */
export type Values = Record<string, string>;

/** Reads the parameters in a page's front matter: `name: {default, description}`. */
export function declaredParameters(declared: unknown, refuse: (what: string) => UserError): Parameter[] {
  return Object.entries(declared as Record<string, Record<string, unknown>>).map(([name, parameter]) => {
    if (!/^[a-z][a-z_]*$/.test(name)) throw refuse(`the parameter ${name} is not in lower case`);
    const { description, default: value, ...rest } = parameter ?? {};
    if (typeof description !== "string") throw refuse(`the parameter ${name} has no description`);
    if (Object.keys(rest).length > 0) throw refuse(`the parameter ${name} has an unknown key ${Object.keys(rest)[0]}`);
    return {
      name,
      description,
      ...(value === undefined ? {} : { default: String(value) }),
      type: typeof value === "number" ? "number" : "text",
    };
  });
}

/**
 * The value of each parameter, from `name=value` texts and the defaults.
 * @throws UserError (exit code 2) for an unknown name, a missing value, or a text where a number is asked for
 */
export function valuesOf(parameters: readonly Parameter[], given: readonly string[]): Values {
  const values: Values = Object.fromEntries(
    parameters.flatMap(({ name, default: value }) => (value === undefined ? [] : [[name, value]])),
  );
  for (const text of given) {
    const equals = text.indexOf("=");
    const [name, value] = [text.slice(0, Math.max(equals, 0)), text.slice(equals + 1)];
    const parameter = parameters.find((known) => known.name === name);
    if (!parameter)
      throw new UserError(`--set ${text}: ${equals < 0 ? "it has no name=" : `there is no parameter ${name}`}`, {
        fix: describeParameters(parameters),
        exitCode: 2,
      });
    if (parameter.type === "number" && !/^-?\d+(\.\d+)?$/.test(value))
      throw new UserError(`--set ${text}: ${name} is a number`, { fix: describeParameters([parameter]), exitCode: 2 });
    values[name] = value;
  }
  const missing = parameters.filter(({ name }) => values[name] === undefined);
  if (missing.length > 0)
    throw new UserError(`the runbook needs ${missing.map(({ name }) => name).join(" and ")}`, {
      fix: describeParameters(missing),
      exitCode: 2,
    });
  return values;
}

function describeParameters(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return "Leave out --set: this runbook has no parameters.";
  const lines = parameters.map(
    ({ name, description, default: value }) =>
      `    --set ${name}=${value === undefined ? "…" : value || "''"}   ${description}`,
  );
  return `Give it:\n${lines.join("\n")}`;
}
