import { allThresholds } from "../toolkit/monitor/thresholds.ts";
import { instanceClasses } from "../toolkit/rds/classes.ts";

/** What is wrong with a value of the right type, and what would be right. */
export interface Problem {
  reason: string;
  fix: string;
}

export const between = (least: number, most: number, unit: string) => (value: number) =>
  value >= least && value <= most
    ? undefined
    : { reason: `it is not between ${least} and ${most}`, fix: `give ${unit} in that range` };

export const oneOf =
  (...allowed: (string | number)[]) =>
  (value: string | number) =>
    allowed.includes(value)
      ? undefined
      : { reason: `it is none of ${allowed.join(", ")}`, fix: `set it to one of them` };

export const matching = (pattern: RegExp, example: string) => (value: string) =>
  pattern.test(value)
    ? undefined
    : { reason: `it does not have the form ${pattern.source}`, fix: `write it like ${example}` };

export const each = (pattern: RegExp, example: string) => (values: unknown[]) =>
  values.every((value) => typeof value === "string" && pattern.test(value))
    ? undefined
    : { reason: "an element does not have the right form", fix: `write each like ${example}` };

export const scalars = (values: Record<string, unknown>) => {
  const wrong = Object.entries(values).find(
    ([name, value]) => !/^[a-z_][a-z0-9_.]*$/.test(name) || !["string", "number", "boolean"].includes(typeof value),
  );
  return wrong && { reason: `${wrong[0]} is not a parameter with a plain value`, fix: "write name: value, one a line" };
};

export const thresholds = (values: Record<string, unknown>): Problem[] => {
  const known = new Set(allThresholds().map(({ name }) => name));
  return Object.entries(values).flatMap(([name, value]) => {
    if (!known.has(name))
      return [{ reason: `there is no threshold ${name}`, fix: "`toolkit check --list` shows every one" }];
    const right = typeof value === "number" && value >= 0;
    return right
      ? []
      : [{ reason: `${name} is not a number from 0 on`, fix: "write a number in the threshold's unit" }];
  });
};

export const knownClass = (value: string) =>
  Object.hasOwn(instanceClasses, value)
    ? undefined
    : {
        reason: "the alarms know no such class",
        fix: "use one of toolkit/rds/classes.ts, or add its vCPUs and memory there",
      };

/** Security groups only: an address, and the world most of all, is none. */
export const groups = (values: unknown[]) =>
  values.flatMap((value) => {
    if (typeof value === "string" && /^sg-[0-9a-f]+$/.test(value)) return [];
    const isWorld = value === "0.0.0.0/0" || value === "::/0";
    const reason = isWorld
      ? `${value} is the whole world, which must not reach a database`
      : `${JSON.stringify(value)} is not a security group`;
    return [{ reason, fix: "name the security groups of what may connect, like sg-0a1b2c3d" }];
  });

export const privateBlock = (value: string) => {
  const [, a, b, c, d, bits] = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(value)?.map(Number) ?? [];
  const address = [a, b, c, d].reduce<number>((sum, part) => sum * 256 + (part ?? 256), 0);
  const isPrivate = a === 10 || (a === 172 && b! >= 16 && b! < 32) || (a === 192 && b === 168);
  const isWhole = [a, b, c, d].every((part) => part! < 256) && address % 2 ** (32 - bits!) === 0;
  return isPrivate && isWhole && bits! >= 16 && bits! <= 26
    ? undefined
    : { reason: "it is not a private block of /16 to /26", fix: "write it like 10.87.0.0/24" };
};

export const twoOrThreeZones = (values: unknown[]) =>
  values.length >= 2 &&
  values.length <= 3 &&
  values.every((value) => /^[a-f]$/.test(String(value))) &&
  new Set(values).size === values.length
    ? undefined
    : { reason: "it does not name two or three zones", fix: 'write their letters, like ["a","b"]' };
