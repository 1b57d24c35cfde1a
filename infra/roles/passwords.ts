import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic.ts";

const provider = dynamicProvider("toolkit/roles/passwords.ts");

/** A random password for each of some roles, made once for each `version`; secrets in the state. */
export class RolePasswords extends pulumi.dynamic.Resource {
  declare readonly passwords: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: { roles: string[]; version: number }, options: pulumi.CustomResourceOptions) {
    super(
      provider,
      name,
      { ...args, passwords: undefined },
      { additionalSecretOutputs: ["passwords"], ...options },
      undefined,
      "RolePasswords",
    );
  }
}
