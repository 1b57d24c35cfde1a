import * as pulumi from "@pulumi/pulumi";
import type { RemainderInputs } from "../../toolkit/roles/remainder.ts";
import { dynamicProvider } from "../dynamic.ts";

const provider = dynamicProvider("toolkit/roles/remainder.ts");

/**
 * What the provider has no words for: `lock_timeout` of each role, and what was in the database before the roles were,
 * which the owner takes over.
 */
export class RoleRemainder extends pulumi.dynamic.Resource {
  constructor(
    name: string,
    args: { [key in keyof RemainderInputs]: pulumi.Input<RemainderInputs[key]> },
    options: pulumi.CustomResourceOptions,
  ) {
    super(provider, name, args, { additionalSecretOutputs: ["connection"], ...options }, undefined, "RoleRemainder");
  }
}
