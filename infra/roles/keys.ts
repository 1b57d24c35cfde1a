import { between, type Problem } from "../keyChecks.ts";
import { databaseRoles, type Limits } from "./table.ts";

const day = 86_400_000;

// biome-ignore format: one field, one line
const fields: Record<keyof Limits, (value: number) => Problem | undefined> = {
  connectionLimit: between(1, 5000, "a number of sessions"),
  statementTimeout: between(0, day, "milliseconds, or 0 for no limit,"),
  lockTimeout: between(0, day, "milliseconds, or 0 for no limit,"),
  idleInTransactionSessionTimeout: between(0, day, "milliseconds, or 0 for no limit,"),
};

const known = databaseRoles.filter(({ login }) => login).map(({ name }) => name as string);

/** What `roleLimits` may say: for each role that logs in, some of its limits. */
export function checkRoleLimits(limits: Record<string, unknown>): Problem[] {
  return Object.entries(limits).flatMap(([role, given]): Problem[] => {
    if (!known.includes(role))
      return [{ reason: `there is no role ${role} that logs in`, fix: `use one of ${known.join(", ")}` }];
    if (typeof given !== "object" || given === null || Array.isArray(given))
      return [{ reason: `${role} is not an object`, fix: 'write it like {"connectionLimit":50}' }];
    return Object.entries(given).flatMap(([key, value]): Problem[] => {
      const check = Object.hasOwn(fields, key) ? fields[key as keyof Limits] : undefined;
      if (!check)
        return [{ reason: `there is no ${key} of ${role}`, fix: `use one of ${Object.keys(fields).join(", ")}` }];
      if (!Number.isInteger(value)) return [{ reason: `${key} of ${role} is not an integer`, fix: "write an integer" }];
      const wrong = check(value as number);
      return wrong ? [{ reason: `${key} of ${role}: ${wrong.reason}`, fix: wrong.fix }] : [];
    });
  });
}
