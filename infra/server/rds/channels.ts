import * as pulumi from "@pulumi/pulumi";
import type { Children } from "./children.ts";

/** Where messages go, by how urgent they are. */
export type Topics = Record<"critical" | "warning", pulumi.Output<string>>;

/** Services that publish to the topics, and say for which account. */
const publishers = ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"];

/** EventBridge publishes too; it is not sure to say for which account, and a condition would silence it. */
const eventBridge = "events.amazonaws.com";

/**
 * What RDS reports of an instance, by how urgent it is.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html
 */
const eventCategories = {
  critical: ["failure", "failover", "low storage"],
  warning: ["availability", "deletion", "maintenance", "notification", "read replica", "recovery"],
} as const;

/**
 * One encrypted topic for each severity, in one region: an alarm reaches topics of its own region only. The key is our
 * own, for CloudWatch cannot publish to a topic that is encrypted with the account's key for SNS
 * (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
 */
export class Channels extends pulumi.ComponentResource {
  readonly topics: Topics;
  readonly #own: Children;
  readonly #name: string;

  constructor(name: string, emails: string[], children: Children, options: pulumi.ComponentResourceOptions) {
    super("database:server:Channels", name, {}, options);
    const own = children.below(this);
    this.#own = own;
    this.#name = name;

    const key = own.make("key", `${name}-topics`, {
      description: "Encrypts the messages of the database's alarms",
      enableKeyRotation: true,
      deletionWindowInDays: 30,
    });
    own.make("keyPolicy", `${name}-topics`, { keyId: key.id, policy: key.arn.apply(keyPolicy) });

    const topic = (severity: keyof Topics) => {
      const made = own.make("topic", `${name}-${severity}`, { kmsMasterKeyId: key.arn });
      own.make("topicPolicy", `${name}-${severity}`, { arn: made.arn, policy: made.arn.apply(topicPolicy) });
      for (const endpoint of emails)
        own.make("topicSubscription", `${name}-${severity}-${endpoint}`, {
          topic: made.arn,
          protocol: "email",
          endpoint,
        });
      return made.arn;
    };
    this.topics = { critical: topic("critical"), warning: topic("warning") };
    this.registerOutputs({ topics: this.topics });
  }

  /** Subscribes the topics to what RDS itself reports of instances in this region. */
  subscribeToEvents(instances: { identifier: pulumi.Input<string> }[]): void {
    for (const severity of ["critical", "warning"] as const)
      this.#own.make("eventSubscription", `${this.#name}-${severity}`, {
        snsTopic: this.topics[severity],
        sourceType: "db-instance",
        sourceIds: instances.map(({ identifier }) => identifier),
        eventCategories: [...eventCategories[severity]],
      });
  }
}

/** Partition and account of an ARN: what a policy needs to name this account, without asking AWS for it. */
function accountOf(arn: string): { partition: string; account: string } {
  const [, partition, , , account] = arn.split(":") as [string, string, string, string, string];
  return { partition, account };
}

// Services reach the key through SNS, and not all of them say for which account: who may publish is the topics' policy.
function keyPolicy(keyArn: string): string {
  const { partition, account } = accountOf(keyArn);
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "AccountAdministers",
        Effect: "Allow",
        Principal: { AWS: `arn:${partition}:iam::${account}:root` },
        Action: "kms:*",
        Resource: "*",
      },
      {
        Sid: "ServicesEncryptMessages",
        Effect: "Allow",
        Principal: { Service: [...publishers, eventBridge] },
        Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
        Resource: "*",
      },
    ],
  });
}

function topicPolicy(topicArn: string): string {
  const publish = { Effect: "Allow", Action: "sns:Publish", Resource: topicArn };
  const { account } = accountOf(topicArn);
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        ...publish,
        Sid: "ServicesPublish",
        Principal: { Service: publishers },
        Condition: { StringEquals: { "aws:SourceAccount": account } },
      },
      { ...publish, Sid: "EventBridgePublishes", Principal: { Service: eventBridge } },
    ],
  });
}
