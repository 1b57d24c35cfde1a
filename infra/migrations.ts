import * as pulumi from "@pulumi/pulumi";
import type { Config } from "./config.ts";
import { dynamicProvider } from "./dynamic.ts";
import type { Server } from "./server/index.ts";

const provider = dynamicProvider("toolkit/migrate/resource.ts");

/** Brings the schema to the head of migrations/, by node-pg-migrate; its preview lists by name what is pending. */
export class Migrations extends pulumi.dynamic.Resource {
  declare readonly applied: pulumi.Output<string[]>;
  declare readonly head: pulumi.Output<string>;
  declare readonly fingerprint: pulumi.Output<string>;

  constructor(name: string, server: Server, config: Config, options?: pulumi.CustomResourceOptions) {
    super(
      provider,
      name,
      {
        connection: server.connection,
        server: server.identity,
        directory: "migrations",
        lockTimeout: config.lockTimeout,
        migrateTo: config.migrateTo,
        acceptDrift: config.acceptDrift,
        backup: server.backup,
        backupBefore: config.backupBefore,
        backupCount: config.backupCount,
        backupRetention: config.backupRetention,
        autoRollback: config.autoRollback,
        slowdownFactor: config.slowdownFactor,
        concurrentIndexTimeout: config.concurrentIndexTimeout,
        applied: undefined,
        head: undefined,
        fingerprint: undefined,
      },
      { additionalSecretOutputs: ["connection"], ...options },
      undefined,
      "Migrations",
    );
  }
}
