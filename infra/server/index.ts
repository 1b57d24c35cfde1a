import type * as pulumi from "@pulumi/pulumi";
import type { BackupTarget } from "../../toolkit/backup/target.ts";
import type { Connection } from "../../toolkit/connection.ts";
import type { LocalReplica } from "../../toolkit/server/properties.ts";
import type { Config } from "../config.ts";
import { EmbeddedServer } from "./embedded.ts";
import { ExternalServer } from "./external.ts";
import type { Transforms } from "./rds/children.ts";
import type { Region } from "./rds/regions.ts";
import type { ReplicaOutput } from "./rds/replicas.ts";
import { RdsServer } from "./rds.ts";

/** What the rest of the program needs to know of a server, wherever it runs. */
export interface Server {
  connection: pulumi.Output<Connection>;
  serverVersion: pulumi.Output<string>;
  /** Tells one database cluster from another, so that a new one is migrated from the start. */
  identity: pulumi.Output<string>;
  /** How it is backed up before migrations. */
  backup: pulumi.Output<BackupTarget>;
  /** For a router of reads: where the read replicas are, and their weights. */
  replicas?: pulumi.Output<(ReplicaOutput | LocalReplica)[]>;
  /** On RDS: the secret in Secrets Manager that holds the master user's password. */
  masterSecretArn?: pulumi.Output<string>;
  /** On RDS: where it stands, for what is put beside it. */
  site?: Region;
  /** The security group to give to an application that shall connect. */
  clientSecurityGroupId?: pulumi.Output<string> | undefined;
}

/**
 * The server that the configuration asks for.
 * @param transforms changes to the resources of an RDS server
 */
export function createServer(config: Config, transforms: Transforms = {}): Server & pulumi.Resource {
  switch (config.server) {
    case "embedded":
      return new EmbeddedServer("server", config);
    case "external":
      return new ExternalServer("server", config);
    case "rds":
      return new RdsServer("server", config, transforms);
  }
}
