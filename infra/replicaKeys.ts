import { between, each, groups, knownClass, matching, type Problem } from "./keyChecks.ts";

interface Field {
  required?: true;
  is: (value: unknown) => boolean;
  form: string;
  check?: (value: never) => Problem | Problem[] | undefined;
}

const text = { is: (value: unknown) => typeof value === "string", form: "a string" };
const number = { is: (value: unknown) => Number.isInteger(value), form: "an integer" };
const list = { is: (value: unknown) => Array.isArray(value), form: "an array" };

/** What an entry of `replicas` may say. */
// biome-ignore format: one field, one line
const fields: Record<string, Field> = {
  name: { ...text, required: true, check: matching(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, "reports") },
  class: { ...text, check: knownClass },
  region: { ...text, check: matching(/^[a-z]{2}(-[a-z]+)+-\d$/, "eu-west-1") },
  zone: { ...text, check: matching(/^[a-z]{2}(-[a-z]+)+-\d[a-f]$/, "eu-west-1a") },
  weight: { ...number, check: between(0, 1000, "a share") },
  promotionTier: { ...number, check: between(0, 15, "a tier") },
  subnetIds: { ...list, check: each(/^subnet-[0-9a-f]+$/, "subnet-0a1b2c3d") },
  securityGroupIds: { ...list, check: groups },
  kmsKeyArn: { ...text, check: matching(/^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/, "arn:aws:kms:eu-west-1:123456789012:key/…") },
};

/** RDS lets fifteen replicas read from one PostgreSQL instance, and a pair of names must differ. */
export function checkReplicas(replicas: unknown[]): Problem[] {
  const names = replicas.map((replica) => (replica as { name?: unknown } | null)?.name);
  const twice = names.find((name, index) => name !== undefined && names.indexOf(name) !== index);
  return [
    ...replicas.flatMap(checkReplica),
    ...(twice === undefined ? [] : [{ reason: `two replicas are named ${twice}`, fix: "rename one of them" }]),
    ...(replicas.length > 15 ? [{ reason: "RDS makes at most 15", fix: "remove some" }] : []),
  ];
}

function checkReplica(replica: unknown, index: number): Problem[] {
  if (typeof replica !== "object" || replica === null || Array.isArray(replica))
    return [{ reason: `entry ${index + 1} is not an object`, fix: `write it like {"name":"reports"}` }];
  const given = replica as Record<string, unknown>;
  const known = Object.keys(fields).join(", ");
  const missing = Object.entries(fields).filter(([key, { required }]) => required && given[key] === undefined);
  return [
    ...missing.map(([key]) => ({ reason: `entry ${index + 1} has no ${key}`, fix: "give it one" })),
    ...Object.entries(given).flatMap(([key, value]) => {
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
      const place = `${key} of entry ${index + 1}`;
      if (!field) return [{ reason: `there is no ${place}`, fix: `use one of ${known}` }];
      if (!field.is(value)) return [{ reason: `${place} is not ${field.form}`, fix: `write ${field.form}` }];
      const wrong = [field.check?.(value as never) ?? []].flat();
      return wrong.map(({ reason, fix }) => ({ reason: `${place}: ${reason}`, fix }));
    }),
  ];
}
