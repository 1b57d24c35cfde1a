import * as pulumi from "@pulumi/pulumi";
import type { BackupTarget } from "../../toolkit/backup/target.ts";
import { type Connection, parseConnectionString } from "../../toolkit/connection.ts";
import type { Config } from "../config.ts";
import { dynamicProvider } from "../dynamic.ts";
import type { Server } from "./index.ts";

const provider = dynamicProvider("toolkit/server/externalResource.ts");

/** Any PostgreSQL that is reached by URL: checked, adopted, and left as it is when the stack is destroyed. */
export class ExternalServer extends pulumi.dynamic.Resource implements Server {
  declare readonly connection: pulumi.Output<Connection>;
  declare readonly serverVersion: pulumi.Output<string>;
  declare readonly systemIdentifier: pulumi.Output<string | null>;

  constructor(name: string, config: Config, options?: pulumi.CustomResourceOptions) {
    super(
      provider,
      name,
      {
        connection: pulumi.secret(pulumi.output(config.url!).apply(parseConnectionString)),
        minimumVersion: config.minimumVersion,
        serverVersion: undefined,
        systemIdentifier: undefined,
      },
      { additionalSecretOutputs: ["connection"], ...options },
      undefined,
      "ExternalServer",
    );
  }

  get identity(): pulumi.Output<string> {
    return pulumi
      .all([this.systemIdentifier, this.connection])
      .apply(([system, { host, port, database }]) =>
        pulumi.unsecret(pulumi.output(system ?? `${host}:${port}/${database}`)),
      );
  }

  get backup(): pulumi.Output<BackupTarget> {
    return pulumi.output({ kind: "auto" as const, directory: `.local/${pulumi.getStack()}/backups` });
  }
}
