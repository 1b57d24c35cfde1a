import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { isMap, parseDocument } from "yaml";
import { messageOf, UserError } from "../../toolkit/errors.ts";
import { findPassphrase, openCrypter } from "./passphrase.ts";
import { stackFolder } from "./state.ts";
import { isObject } from "./wire.ts";

/** What the engine needs to know of the project and one of its stacks. */
export interface Project {
  name: string;
  stack: string;
  /** The stack's configuration by full key, as the program gets it: text, JSON where it has structure. */
  config: Record<string, string>;
  /** Keys of `config` whose values are secret. */
  secretKeys: string[];
}

/**
 * Reads Pulumi.yaml and the stack's own file, with the project's defaults where the stack says nothing.
 * @throws UserError for a file that is missing or is not YAML
 */
export function readProject(stack: string): Project {
  const project = readYaml("Pulumi.yaml");
  const name = String(project.name ?? "");
  if (!name) throw new UserError("Pulumi.yaml has no name", { exitCode: 2 });
  if (!/^[\w.-]+$/.test(stack))
    throw new UserError(`${JSON.stringify(stack)} is not the name of a stack`, {
      fix: "Use letters, digits, - _ and point.",
      exitCode: 2,
    });
  const file = stackFile(stack);
  if (!existsSync(file))
    throw new UserError(`there is no stack ${stack}: the file ${file} does not exist`, {
      fix: `Use one of ${stacks().join(", ")} with --stack, or make ${file}.`,
      exitCode: 2,
    });
  const settings = readYaml(file);
  const config: Record<string, string> = {};
  const secretKeys: string[] = [];
  for (const [key, declared] of Object.entries(isObject(project.config) ? project.config : {}))
    if (isObject(declared) && declared.default !== undefined) config[fullKey(key, name)] = asText(declared.default);
  for (const [key, value] of Object.entries(isObject(settings.config) ? settings.config : {})) {
    const full = fullKey(key, name);
    if (isObject(value) && typeof value.secure === "string") {
      config[full] = decrypt(value.secure, settings.encryptionsalt, stack);
      secretKeys.push(full);
    } else config[full] = asText(value);
  }
  return { name, stack, config, secretKeys };
}

/**
 * Writes values into the stack's file, as `pulumi up --config` does: comments and order stay.
 * @param values full or short keys, to their text
 */
export function saveConfig(stack: string, values: [string, string][]): void {
  if (values.length === 0) return;
  const file = stackFile(stack);
  const name = String(readYaml("Pulumi.yaml").name);
  const document = parseDocument(readFileSync(file, "utf8"));
  if (!isMap(document.get("config"))) document.set("config", document.createNode({}));
  for (const [key, value] of values) document.setIn(["config", fullKey(key, name)], value);
  writeFileSync(file, document.toString());
}

const stackFile = (stack: string) => `Pulumi.${stack}.yaml`;

const fullKey = (key: string, project: string) => (key.includes(":") ? key : `${project}:${key}`);

const asText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

function stacks(): string[] {
  return readdirSync(".").flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []);
}

function decrypt(ciphertext: string, salt: unknown, stack: string): string {
  if (typeof salt !== "string")
    throw new UserError(`${stackFile(stack)} holds a secret whose key is kept elsewhere`, {
      fix: "Install Pulumi's own engine: this one only knows passphrases.",
    });
  return openCrypter(findPassphrase(`${stackFolder(stack)}/passphrase`), salt).decrypt(ciphertext);
}

function readYaml(file: string): Record<string, unknown> {
  if (!existsSync(file))
    throw new UserError(`there is no ${file} here`, { fix: "Run this in the project's folder.", exitCode: 2 });
  const document = parseDocument(readFileSync(file, "utf8"));
  if (document.errors[0]) throw new UserError(`${file} is not YAML: ${messageOf(document.errors[0])}`, { exitCode: 2 });
  const value: unknown = document.toJS() ?? {};
  if (isObject(value)) return value;
  throw new UserError(`${file} is not a mapping of names to values`, { exitCode: 2 });
}
