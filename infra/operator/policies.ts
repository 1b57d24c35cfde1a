import * as pulumi from "@pulumi/pulumi";
import type { Children } from "../server/rds/children.ts";

/** One statement of a policy. */
export interface Statement {
  Action: string | string[];
  Resource: pulumi.Input<string | string[]>;
  Condition?: Record<string, Record<string, pulumi.Input<string>>>;
}

/** Partition, region and account of an ARN: what a policy needs to name other things of this account, without asking AWS. */
export function partsOf(arn: string) {
  const [, partition = "", , region = "", account = ""] = arn.split(":");
  return { partition, region, account };
}

/**
 * A role of one service, for this account's own things only, with just what the statements allow.
 * @param ownArn the ARN of anything in the stack: whose account it is
 * @returns its ARN, known only once the role may do its work
 */
export function makeRole(
  name: string,
  service: string,
  ownArn: pulumi.Input<string>,
  statements: Statement[],
  own: Children,
): pulumi.Output<string> {
  // Who is let in without this may be the service on behalf of a stranger:
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.
  const trust = pulumi.output(ownArn).apply((arn) => ({
    ...{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" },
    Condition: { StringEquals: { "aws:SourceAccount": partsOf(arn).account } },
  }));
  const role = own.make("role", name, { assumeRolePolicy: documentOf(trust) });
  const allowed = statements.map((statement) => ({ Effect: "Allow", ...statement }));
  const policy = own.make("inlinePolicy", name, { role: role.name, policy: documentOf(...allowed) });
  return pulumi.all([role.arn, policy.id]).apply(([arn]) => arn);
}

const documentOf = (...statements: pulumi.Input<object>[]) =>
  pulumi.all(statements).apply((Statement) => JSON.stringify({ Version: "2012-10-17", Statement }));
