import { isObject, isSecret, type Properties, unknownValue } from "../engine/wire.ts";

/**
 * A resource as a rule sees it, whoever asks: Pulumi's engine through the policy pack, or the stand-in engine. Secrets
 * and values that are not known during preview stand in `props` as they do on Pulumi's wire (engine/wire.ts).
 */
export interface Resource {
  urn: string;
  type: string;
  name: string;
  props: Properties;
  /** For each property, the URNs of the resources from which its value comes. */
  propertyDependencies: Record<string, string[]>;
}

/** A mandatory rule that is broken stops the deployment; an advisory one only warns. */
export type EnforcementLevel = "advisory" | "mandatory";

/** One rule of the house. */
export interface Rule {
  name: string;
  description: string;
  enforcementLevel: EnforcementLevel;
  /** Needs the whole stack, not only the resource. */
  wholeStack?: true;
  /** Has to tell a secret from a plain value. */
  seesSecrets?: true;
  /**
   * What is wrong with a resource, and what to do: a sentence for each mistake. None where the rule does not apply, and
   * none where a value is unknown: it is judged when it is known.
   * @param stack every resource, the judged one included; only for a rule with `wholeStack`
   */
  validate: (resource: Resource, stack: readonly Resource[]) => string[];
}

/** A rule that a resource breaks. */
export interface Violation {
  rule: string;
  enforcementLevel: EnforcementLevel;
  urn: string;
  message: string;
}

export const instanceType = "aws:rds/instance:Instance";

/** A value that may be looked at: known, and laid open where it is secret. */
export function known(value: unknown): unknown {
  const open = isSecret(value) ? value.value : value;
  return open === unknownValue ? undefined : open;
}

export const isUnknown = (value: unknown): boolean => (isSecret(value) ? value.value : value) === unknownValue;

/** Whether an RDS instance copies another one, from which it takes encryption, backups and password. */
export const isReplica = ({ props }: Resource): boolean => Boolean(props.replicateSourceDb);

/** The elements of a list that are objects; none where the list is unknown. */
export function entries(value: unknown): Properties[] {
  const list = known(value);
  return Array.isArray(list) ? list.map(known).filter(isObject) : [];
}

/** The stack that a URN belongs to. */
export const stackOf = (urn: string): string => urn.split("::")[0]!.split(":").at(-1)!;
