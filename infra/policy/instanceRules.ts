import { instanceType, isReplica, isUnknown, known, type Resource, type Rule, stackOf } from "./rule.ts";

/** The least days of backups: a mistake of Friday is found on Monday, and its cause some days later. */
export const leastRetention = 7;

const isProduction = (urn: string) => /^prod(uction)?(-|$)/.test(stackOf(urn));

/** A rule for primary instances: a replica has neither backups nor a deletion of its own to guard. */
const primary =
  (judge: (instance: Resource) => string | undefined) =>
  (resource: Resource): string[] =>
    resource.type === instanceType && !isReplica(resource) ? [judge(resource) ?? []].flat() : [];

/** A rule for every instance, replicas included. */
const instance =
  (judge: (instance: Resource) => string | undefined) =>
  (resource: Resource): string[] =>
    resource.type === instanceType ? [judge(resource) ?? []].flat() : [];

/** Whether a property has this value, or may have it once it is known. */
const mayBe = (value: unknown, wanted: unknown) => isUnknown(value) || known(value) === wanted;

/** Storage that can be made without encryption, and the property that turns it on. */
const encrypted: Record<string, string> = {
  [instanceType]: "storageEncrypted",
  "aws:rds/cluster:Cluster": "storageEncrypted",
  "aws:ebs/volume:Volume": "encrypted",
  "aws:efs/fileSystem:FileSystem": "encrypted",
};

const guide = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide";

export const instanceRules: Rule[] = [
  {
    name: "storage-encrypted",
    // A replica in its source's region is encrypted as the source is, and cannot say so itself.
    description: `Storage is encrypted; RDS cannot turn it on afterwards (${guide}/Overview.Encryption.html)`,
    enforcementLevel: "mandatory",
    validate: (resource) => {
      const property = encrypted[resource.type];
      if (!property || mayBe(resource.props[property], true)) return [];
      if (isReplica(resource) && resource.props[property] === undefined) return [];
      return [`its storage is not encrypted: set ${property} to true`];
    },
  },
  {
    name: "no-public-access",
    description: "No instance has an address on the internet",
    enforcementLevel: "mandatory",
    validate: instance(({ props }) =>
      known(props.publiclyAccessible) === true
        ? "it can be reached from the internet: set publiclyAccessible to false, and come through a bastion or SSM"
        : undefined,
    ),
  },
  {
    name: "deletion-protection",
    description: "A primary cannot be deleted by one call",
    enforcementLevel: "mandatory",
    validate: primary(({ props }) =>
      mayBe(props.deletionProtection, true)
        ? undefined
        : "one call deletes it: set deletionProtection to true; to delete it on purpose, turn that off in a deployment of its own",
    ),
  },
  {
    name: "backup-retention",
    description: `Automated backups, and with them recovery to a point in time, reach back ${leastRetention} days or more`,
    enforcementLevel: "mandatory",
    validate: primary(({ props }) => {
      if (isUnknown(props.backupRetentionPeriod)) return undefined;
      const days = Number(known(props.backupRetentionPeriod) ?? 0);
      if (days >= leastRetention) return undefined;
      return `backups are kept for ${days} days: set backupRetentionPeriod to ${leastRetention} or more`;
    }),
  },
  {
    name: "multi-az-in-production",
    description: "A production primary has a standby in another availability zone",
    enforcementLevel: "mandatory",
    validate: primary(({ props, urn }) =>
      !isProduction(urn) || mayBe(props.multiAz, true)
        ? undefined
        : `stack ${stackOf(urn)} has no standby, so that the loss of one zone is an outage: set multiAz to true`,
    ),
  },
  {
    name: "own-parameter-group",
    description: `An instance has a parameter group of its own: a default one cannot be changed (${guide}/parameter-groups-overview.html)`,
    enforcementLevel: "mandatory",
    validate: instance(({ props }) => {
      if (isUnknown(props.parameterGroupName)) return undefined;
      const name = known(props.parameterGroupName);
      if (typeof name === "string" && name !== "" && !name.startsWith("default.")) return undefined;
      return "it runs with RDS's default parameter group, untuned and without rds.force_ssl: set parameterGroupName";
    }),
  },
  {
    name: "final-snapshot",
    description: "A primary that is deleted leaves a snapshot",
    enforcementLevel: "mandatory",
    validate: primary(({ props }) => {
      if (known(props.skipFinalSnapshot) === true)
        return "it would go without a snapshot: set skipFinalSnapshot to false and give finalSnapshotIdentifier";
      if (isUnknown(props.finalSnapshotIdentifier) || known(props.finalSnapshotIdentifier)) return undefined;
      return "its deletion would fail for want of a snapshot's name: set finalSnapshotIdentifier";
    }),
  },
];
