import { alarmRules } from "./alarmRules.ts";
import { instanceRules } from "./instanceRules.ts";
import { networkRules } from "./networkRules.ts";
import type { Resource, Rule, Violation } from "./rule.ts";
import { secretRules } from "./secretRules.ts";

export type { Violation } from "./rule.ts";

/** Every rule. Plain functions: the policy pack (pack.ts) and the stand-in engine both run them. */
export const rules: Rule[] = [...instanceRules, ...networkRules, ...alarmRules, ...secretRules];

/** Every rule that a stack breaks, in the order of its resources. */
export function findViolations(stack: readonly Resource[]): Violation[] {
  return stack.flatMap((resource) =>
    rules.flatMap(({ name, enforcementLevel, validate }) =>
      validate(resource, stack).map((message) => ({ rule: name, enforcementLevel, urn: resource.urn, message })),
    ),
  );
}

/** Whether a violation stops the deployment. */
export const isMandatory = ({ enforcementLevel }: Violation): boolean => enforcementLevel === "mandatory";
