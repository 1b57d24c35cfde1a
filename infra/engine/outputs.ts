import { findPulumi, pulumiOutputs } from "./pulumi.ts";
import { StackState } from "./state.ts";
import { revealed } from "./wire.ts";

/** The outputs of a stack of this engine's; empty where it has none. */
export function readOutputs(stack: string): Record<string, unknown> {
  return new StackState(stack).resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
}

/**
 * The outputs of a stack, secrets included. A stack that the stand-in engine made is read from its state; any other is
 * asked of the `pulumi` on PATH.
 */
export async function stackOutputs(stack: string): Promise<Record<string, unknown>> {
  const own = readOutputs(stack);
  const pulumi = findPulumi();
  return Object.keys(own).length > 0 || !pulumi ? revealed(own) : pulumiOutputs(pulumi, stack);
}
