import { isObject, isSecret, providerKey, unknownValue } from "../engine/wire.ts";
import { entries, known, type Rule } from "./rule.ts";

/**
 * Names whose value is a secret. The last word decides: `password` and `masterUserPassword` are, while `secretArn`,
 * `passwordWoVersion` and `password_encryption` only speak of one.
 */
const secretName =
  /(^|[a-z0-9_.-])(password|passwd|passphrase|secret|token|(access|api|private|secret)_?key|credentials?)(_?(wo|string|value|hash|binary))?$/i;

/** Text that holds a password whatever its property is called: a URL's user information, or a libpq string's. */
const connectionStrings = [/^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@]+@/i, /(^|\s)password\s*=\s*\S/i];

/** What stands in the place of a secret, or only points at one. */
const harmless = [/^$/, /^arn:[\w-]+:/, /^\[secret\]$/];

/** Whether a value that nothing marks as secret looks like one. */
const looksSecret = (name: string, value: string): boolean =>
  !harmless.some((pattern) => pattern.test(value)) &&
  (secretName.test(name) || connectionStrings.some((pattern) => pattern.test(value)));

/** The paths of values that look like secrets and lie open. */
function openSecrets(path: string, name: string, value: unknown): string[] {
  if (isSecret(value) || value === unknownValue) return [];
  if (Array.isArray(value)) return value.flatMap((element, index) => openSecrets(`${path}[${index}]`, name, element));
  if (isObject(value))
    return Object.entries(value).flatMap(([key, element]) => openSecrets(path ? `${path}.${key}` : key, key, element));
  return typeof value === "string" && looksSecret(name, value) ? [path] : [];
}

/** The same value without what looks like a secret and lies open: for a text that everybody may read. */
export function withoutOpenSecrets(name: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((element) => withoutOpenSecrets(name, element));
  if (isObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, withoutOpenSecrets(key, element)]));
  return typeof value === "string" && looksSecret(name, value) ? "[hidden: in plain text]" : value;
}

/**
 * The variables of containers that hold a secret: they stand in JSON, and whoever may describe a task of ECS reads them.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specifying-sensitive-data.html
 */
function openVariables(definitions: unknown): string[] {
  const json = known(definitions);
  let containers: unknown;
  try {
    containers = typeof json === "string" ? JSON.parse(json) : undefined;
  } catch {
    return [];
  }
  return entries(containers).flatMap(({ name: container, environment }) =>
    entries(environment)
      .filter(({ name, value }) => typeof value === "string" && looksSecret(String(name), value))
      .map(({ name }) => `${name} of container ${container}`),
  );
}

export const secretRules: Rule[] = [
  {
    name: "no-plaintext-secret",
    description: "No input holds a password, a token or a connection string that is not marked as secret",
    enforcementLevel: "mandatory",
    seesSecrets: true,
    validate: ({ type, props }) => {
      const { [providerKey]: _, ...inputs } = props;
      const variables =
        type === "aws:ecs/taskDefinition:TaskDefinition" ? openVariables(props.containerDefinitions) : [];
      return [
        ...openSecrets("", "", inputs).map(
          (path) => `${path} is in plain text, and would be in the state and in every diff: wrap it in pulumi.secret()`,
        ),
        ...variables.map(
          (variable) => `${variable} is in plain text: let ECS read it from Secrets Manager, by secrets`,
        ),
      ];
    },
  },
];
