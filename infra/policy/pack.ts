import { PolicyPack, type PolicyResource, type ResourceValidationPolicy, Secret } from "@pulumi/policy";
import { type Properties, secret, unknownValue } from "../engine/wire.ts";
import type { Resource, Rule } from "./rule.ts";
import { rules } from "./rules.ts";

/** What the pack's SDK puts in the place of an unknown value, by type: `proxy.ts` of @pulumi/policy. */
const unknowns = new Set([
  unknownValue,
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/**
 * A value of the SDK's as the rules want it. Its proxies throw where an unknown is read, and unwrap secrets; they trap
 * reading alone, so that descriptors show what is there.
 */
function plain(value: unknown): unknown {
  if (value instanceof Secret) return secret(plain(value.value));
  if (typeof value === "string" && unknowns.has(value)) return unknownValue;
  if (typeof value !== "object" || value === null) return value;
  const described = Object.entries(Object.getOwnPropertyDescriptors(value)).filter(([, { enumerable }]) => enumerable);
  if (Array.isArray(value)) return described.map(([, element]) => plain(element.value));
  return Object.fromEntries(described.map(([key, property]) => [key, plain(property.value)]));
}

type Judged = Pick<PolicyResource, "urn" | "type" | "name" | "props"> & Partial<PolicyResource>;

const asResource = ({ urn, type, name, props, propertyDependencies = {} }: Judged): Resource => ({
  urn,
  type,
  name,
  props: plain(props) as Properties,
  propertyDependencies: Object.fromEntries(
    Object.entries(propertyDependencies).map(([key, resources]) => [key, resources.map((resource) => resource.urn)]),
  ),
});

/**
 * A rule that tells secrets from plain values. The SDK shows that only to a remediation, which the engine asks for just
 * before the validation: this one changes nothing and remembers what it saw. The level `remediate` is what makes the
 * SDK call it; a validation that then fails is a mandatory one.
 */
function judgedOnTheWayIn({ name, description, validate }: Rule): ResourceValidationPolicy {
  const found = new Map<string, string[]>();
  return {
    name,
    description,
    enforcementLevel: "remediate",
    remediateResource: (resource) => {
      found.set(resource.urn, validate(asResource(resource), []));
    },
    validateResource: ({ urn }, report) => {
      for (const message of found.get(urn) ?? []) report(message);
    },
  };
}

new PolicyPack("postgres-from-code", {
  policies: rules.map((rule) => {
    const { name, description, enforcementLevel, validate } = rule;
    if (rule.seesSecrets) return judgedOnTheWayIn(rule);
    if (!rule.wholeStack)
      return {
        name,
        description,
        enforcementLevel,
        validateResource: (resource, report) => {
          for (const message of validate(asResource(resource), [])) report(message);
        },
      };
    return {
      name,
      description,
      enforcementLevel,
      validateStack: ({ resources }, report) => {
        const stack = resources.map(asResource);
        for (const resource of stack) for (const message of validate(resource, stack)) report(message, resource.urn);
      },
    };
  }),
});
