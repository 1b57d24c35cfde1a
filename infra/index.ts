import * as pulumi from "@pulumi/pulumi";
import { connectionString } from "../toolkit/connection.ts";
import { loadConfig } from "./config.ts";
import { Migrations } from "./migrations.ts";
import { SampleData } from "./sampleData.ts";
import { createServer } from "./server/index.ts";
import type { Transforms } from "./server/rds/children.ts";
import { transform } from "./transform.ts";

/** What exists, in order: configuration, server, schema, data, outputs. */
export default function program(transforms: Transforms = transform): Record<string, pulumi.Input<unknown>> {
  const config = loadConfig();
  const server = createServer(config, transforms);
  const migrations = new Migrations("schema", server, config);
  const prices = config.sampleData ? new SampleData("prices", server, migrations) : undefined;

  return {
    connectionString: pulumi.secret(server.connection.apply(connectionString)),
    serverVersion: server.serverVersion,
    backup: server.backup,
    ...(server.replicas && { replicas: server.replicas }),
    ...(server.clientSecurityGroupId && { clientSecurityGroupId: server.clientSecurityGroupId }),
    migrations: migrations.applied.apply((applied) => applied.length),
    head: migrations.head,
    fingerprint: migrations.fingerprint,
    ...(prices && { report: prices.report.apply((answers) => answers.map(({ answer }) => answer)) }),
  };
}
