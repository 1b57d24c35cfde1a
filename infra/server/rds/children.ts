import * as pulumi from "@pulumi/pulumi";
import { aws, postgresql } from "./sdk.ts";

/**
 * Every kind of resource below the RDS server and the roles. Behind functions, for a module of the SDK is loaded when it is first
 * named.
 */
const kinds = {
  vpc: () => aws().ec2.Vpc,
  subnet: () => aws().ec2.Subnet,
  subnetGroup: () => aws().rds.SubnetGroup,
  securityGroup: () => aws().ec2.SecurityGroup,
  clientSecurityGroup: () => aws().ec2.SecurityGroup,
  ingressRule: () => aws().vpc.SecurityGroupIngressRule,
  egressRule: () => aws().vpc.SecurityGroupEgressRule,
  key: () => aws().kms.Key,
  keyPolicy: () => aws().kms.KeyPolicy,
  secret: () => aws().secretsmanager.Secret,
  secretVersion: () => aws().secretsmanager.SecretVersion,
  parameterGroup: () => aws().rds.ParameterGroup,
  logGroup: () => aws().cloudwatch.LogGroup,
  role: () => aws().iam.Role,
  rolePolicy: () => aws().iam.RolePolicyAttachment,
  inlinePolicy: () => aws().iam.RolePolicy,
  instance: () => aws().rds.Instance,
  replica: () => aws().rds.Instance,
  topic: () => aws().sns.Topic,
  topicPolicy: () => aws().sns.TopicPolicy,
  topicSubscription: () => aws().sns.TopicSubscription,
  alarm: () => aws().cloudwatch.MetricAlarm,
  compositeAlarm: () => aws().cloudwatch.CompositeAlarm,
  eventRule: () => aws().cloudwatch.EventRule,
  eventTarget: () => aws().cloudwatch.EventTarget,
  eventSubscription: () => aws().rds.EventSubscription,
  dashboard: () => aws().cloudwatch.Dashboard,
  vault: () => aws().backup.Vault,
  vaultLock: () => aws().backup.VaultLockConfiguration,
  plan: () => aws().backup.Plan,
  selection: () => aws().backup.Selection,
  restoreTestingPlan: () => aws().backup.RestoreTestingPlan,
  restoreTestingSelection: () => aws().backup.RestoreTestingSelection,
  vpcEndpoint: () => aws().ec2.VpcEndpoint,
  repository: () => aws().ecr.Repository,
  repositoryLifecycle: () => aws().ecr.LifecyclePolicy,
  cluster: () => aws().ecs.Cluster,
  taskDefinition: () => aws().ecs.TaskDefinition,
  schedule: () => aws().scheduler.Schedule,
  queue: () => aws().sqs.Queue,
  postgresqlProvider: () => postgresql().Provider,
  extension: () => postgresql().Extension,
  databaseRole: () => postgresql().Role,
  grant: () => postgresql().Grant,
  defaultPrivileges: () => postgresql().DefaultPrivileges,
} as const;

type Kinds = typeof kinds;
export type Kind = keyof Kinds;

/** What the constructor of a kind takes. */
export type ArgsOf<K extends Kind> =
  ReturnType<Kinds[K]> extends new (
    name: string,
    args: infer Args,
    options?: pulumi.CustomResourceOptions,
  ) => unknown
    ? NonNullable<Args>
    : never;

type ResourceOf<K extends Kind> = InstanceType<ReturnType<Kinds[K]>>;

/**
 * Changes to child resources, by kind: each function gets the arguments, the options and the name of every child of
 * its kind before it is made, and changes them in place.
 * @example { instance: (args) => { args.networkType = "DUAL"; } }
 */
export type Transforms = {
  [K in Kind]?: (args: ArgsOf<K>, options: pulumi.CustomResourceOptions, name: string) => void;
};

/** Kinds that carry no tags. */
const untagged: ReadonlySet<Kind> = new Set([
  "keyPolicy",
  "secretVersion",
  "rolePolicy",
  "topicPolicy",
  "topicSubscription",
  "eventTarget",
  "dashboard",
  "vaultLock",
  "selection",
  "restoreTestingSelection",
  "inlinePolicy",
  "repositoryLifecycle",
  "schedule",
  "postgresqlProvider",
  "extension",
  "databaseRole",
  "grant",
  "defaultPrivileges",
]);

/** IAM is one for all regions. */
const global: ReadonlySet<Kind> = new Set(["role", "rolePolicy", "inlinePolicy"]);

/** Makes the children of a component: each with its tags, its region, and what the caller's transforms change. */
export class Children {
  /** The region of the children; undefined for the stack's own. */
  readonly region: string | undefined;
  readonly #parent: pulumi.Resource;
  readonly #transforms: Transforms;

  constructor(parent: pulumi.Resource, transforms: Transforms, region?: string) {
    this.#parent = parent;
    this.#transforms = transforms;
    this.region = region;
  }

  /** The same, below another component. */
  below(parent: pulumi.Resource): Children {
    return new Children(parent, this.#transforms, this.region);
  }

  /** The same, in another region. */
  in(region: string): Children {
    return new Children(this.#parent, this.#transforms, region);
  }

  make<K extends Kind>(
    kind: K,
    name: string,
    args: ArgsOf<K>,
    options: pulumi.CustomResourceOptions = {},
  ): ResourceOf<K> {
    const own = {
      ...(this.region && !global.has(kind) && { region: this.region }),
      ...(!untagged.has(kind) && { tags: { project: pulumi.getProject(), stack: pulumi.getStack() } }),
      ...(args as object),
    } as ArgsOf<K>;
    const ownOptions = { parent: this.#parent, ...options };
    this.#transforms[kind]?.(own, ownOptions, name);
    const Resource = kinds[kind]() as unknown as new (
      name: string,
      args: ArgsOf<K>,
      options: pulumi.CustomResourceOptions,
    ) => ResourceOf<K>;
    return new Resource(name, own, ownOptions);
  }
}
