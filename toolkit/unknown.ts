/**
 * What Pulumi's engine passes to a dynamic provider in place of a value that is not known during preview
 * (`unknownValue` in @pulumi/pulumi/runtime/rpc). Repeated here because the toolkit imports nothing of Pulumi's.
 */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Whether any part of a value is unknown during preview. */
export function containsUnknown(value: unknown): boolean {
  if (typeof value === "string") return value.includes(unknownValue);
  if (Array.isArray(value)) return value.some(containsUnknown);
  if (value && typeof value === "object") return Object.values(value).some(containsUnknown);
  return false;
}
