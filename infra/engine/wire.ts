/**
 * Values as they travel between the engine, the program and the providers: JSON, in which an object with a signature
 * stands for a secret, and a fixed GUID for what is not known during preview. The constants are those of Pulumi's
 * protocol (`runtime/rpc` of @pulumi/pulumi).
 */
import { unknownValue } from "../../toolkit/unknown.ts";

export type Properties = Record<string, unknown>;

export const signatureKey = "4dabf18193072939515e22adb298388d";
export const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
export { unknownValue };

/** The property in which a dynamic resource carries its provider's code. */
export const providerKey = "__provider";

interface Secret {
  [signatureKey]: typeof secretSignature;
  value: unknown;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isSecret(value: unknown): value is Secret {
  return isObject(value) && value[signatureKey] === secretSignature;
}

export function secret(value: unknown): unknown {
  return isSecret(value) ? value : { [signatureKey]: secretSignature, value };
}

/** Changes each value of a tree from the leaves up. */
function walk(value: unknown, change: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return change(value.map((element) => walk(element, change)));
  if (!isObject(value)) return change(value);
  return change(Object.fromEntries(Object.entries(value).map(([key, element]) => [key, walk(element, change)])));
}

/** The same value with every secret laid open: what a provider that takes no secrets is given. */
export function revealed<T>(value: T): T {
  return walk(value, (element) => (isSecret(element) ? element.value : element)) as T;
}

/** The same value with every secret replaced, for people's eyes. */
export function masked(value: unknown): unknown {
  if (isSecret(value)) return "[secret]";
  if (value === unknownValue) return "[unknown]";
  if (Array.isArray(value)) return value.map(masked);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, masked(element)]));
}

/** Replaces each secret of a tree by what `change` makes of it: to encrypt and decrypt a state. */
export function mapSecrets<T>(value: T, change: (secret: Record<string, unknown>) => unknown): T {
  return walk(value, (element) =>
    isObject(element) && element[signatureKey] === secretSignature ? change(element) : element,
  ) as T;
}

/**
 * What a provider that knows no secrets returned, with those marked again that were secret when they went in, and
 * those that the program named in `additionalSecretOutputs`. The rule is the real engine's.
 */
export function markSecrets(outputs: Properties, inputs: Properties, additional: string[] = []): Properties {
  const marked: Properties = {};
  for (const [key, value] of Object.entries(outputs)) {
    const input = inputs[key];
    if (isSecret(input) || additional.includes(key)) marked[key] = secret(value);
    else if (isObject(input) && isObject(value)) marked[key] = markSecrets(value, input);
    else marked[key] = value;
  }
  return marked;
}

/** Without undefined values, and with keys in a fixed order: for comparing. */
export function canonical(value: unknown): string {
  return JSON.stringify(
    walk(value, (element) =>
      isObject(element) ? Object.fromEntries(Object.entries(element).sort(([a], [b]) => (a < b ? -1 : 1))) : element,
    ) ?? null,
  );
}
