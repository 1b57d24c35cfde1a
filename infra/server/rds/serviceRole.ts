import * as pulumi from "@pulumi/pulumi";
import type { Children } from "./children.ts";

/**
 * A role by which a service of AWS works, with policies that AWS itself keeps.
 * @param policies by name, for example AmazonRDSEnhancedMonitoringRole
 * @returns its ARN, known only once the role may do its work
 */
export function makeServiceRole(
  name: string,
  service: string,
  policies: string[],
  own: Children,
): pulumi.Output<string> {
  const trust = { Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" };
  const role = own.make("role", name, {
    assumeRolePolicy: JSON.stringify({ Version: "2012-10-17", Statement: [trust] }),
  });
  const attached = policies.map((policy) =>
    own.make("rolePolicy", `${name}-${policy}`, {
      role: role.name,
      // The partition is not `aws` in China and in GovCloud.
      policyArn: role.arn.apply((arn) => `arn:${arn.split(":")[1]}:iam::aws:policy/service-role/${policy}`),
    }),
  );
  return pulumi.all([role.arn, ...attached.map(({ id }) => id)]).apply(([arn]) => arn!);
}
