import type { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import type { DBInstance, RDSClient } from "@aws-sdk/client-rds";
import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

/** A call that would be made, as `aws <service> <operation>` and the API reference know it. */
export interface Call {
  service: string;
  operation: string;
  input: unknown;
}

export type PrintCall = (call: Call) => void;

/** How reading calls are answered in a dry run. */
export interface Answers {
  /** Off while the dry run looks at what is not there yet: then they are printed, and not made. */
  ask: boolean;
}

interface Clients {
  rds: RDSClient;
  secretsmanager: SecretsManagerClient;
  cloudwatch: CloudWatchClient;
}

// Whatever is not known to read only is not made. Secrets are not read either: nobody needs them in a dry run.
const reads = /^(Describe|List|GetMetric)/;
const secret = new Set(["MasterUserPassword", "SecretString"]);

/**
 * Makes a dry run of all that the clients do: every call is printed, and only those that read are made. It sits in
 * the SDK's own middleware, so that no function can forget it.
 */
export function dryRun(clients: Clients, print: PrintCall, say: (line: string) => void): Answers {
  const answers: Answers = { ask: true };
  let told = false;
  // The three clients have the same middleware and three types for it.
  for (const [service, client] of Object.entries(clients) as [string, RDSClient][])
    client.middlewareStack.add(
      (next, context) => async (args) => {
        const operation = String(context.commandName).replace(/Command$/, "");
        print({ service, operation, input: withoutSecrets(args.input) });
        const nothing = { output: { $metadata: {} }, response: {} };
        if (!reads.test(operation) || !answers.ask) return nothing;
        return next(args).catch((error: Error) => {
          if (error.name !== "CredentialsProviderError") throw error;
          if (!told) say("no credentials for AWS: <what it would tell> stands in angle brackets");
          told = true;
          return nothing;
        });
      },
      { step: "initialize", name: "dryRun", priority: "high" },
    );
  return answers;
}

function withoutSecrets(input: object): object {
  return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, secret.has(key) ? "(secret)" : value]));
}

/** An instance of which AWS has told nothing, or which is not there yet. */
export function unknownInstance(identifier: string): DBInstance {
  const of = (what: string) => `<${what} of ${identifier}>`;
  return {
    DBInstanceIdentifier: identifier,
    DBInstanceArn: of("DBInstanceArn"),
    DbiResourceId: of("DbiResourceId"),
    DBInstanceClass: of("DBInstanceClass"),
    DBSubnetGroup: { DBSubnetGroupName: of("DBSubnetGroupName") },
    VpcSecurityGroups: [{ VpcSecurityGroupId: of("VpcSecurityGroupId") }],
    PreferredMaintenanceWindow: of("PreferredMaintenanceWindow"),
    DBParameterGroups: [{ DBParameterGroupName: of("DBParameterGroupName") }],
  };
}
