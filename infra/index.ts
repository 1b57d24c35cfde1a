import * as pulumi from "@pulumi/pulumi";
import { connectionString } from "../toolkit/connection.ts";
import { loadConfig } from "./config.ts";
import { Migrations } from "./migrations.ts";
import { Operator, wantsOperator } from "./operator/index.ts";
import { wantsRoles } from "./roles/table.ts";
import { Roles } from "./roles.ts";
import { SampleData } from "./sampleData.ts";
import { createServer } from "./server/index.ts";
import type { Transforms } from "./server/rds/children.ts";
import { transform } from "./transform.ts";

/** What exists, in order: configuration, server, roles, schema, data, upkeep, outputs. */
export default function program(transforms: Transforms = transform): Record<string, pulumi.Input<unknown>> {
  const config = loadConfig();
  const server = createServer(config, transforms);
  const roles = wantsRoles(config) ? new Roles("roles", server, config, transforms) : undefined;
  const database = roles ? roles.as("migrator", server) : server;
  const migrations = new Migrations("schema", database, config, roles && { dependsOn: roles });
  const prices = config.sampleData ? new SampleData("prices", database, migrations) : undefined;
  const upkeep = { dependsOn: migrations };
  const operator = wantsOperator(config)
    ? new Operator("operator", server, roles, config, transforms, upkeep)
    : undefined;

  return {
    connectionString: pulumi.secret(database.connection.apply(connectionString)),
    serverVersion: server.serverVersion,
    backup: server.backup,
    keptBackups: { count: config.backupCount, days: config.backupRetention },
    ...(Object.keys(config.thresholds).length > 0 && { thresholds: config.thresholds }),
    ...(server.replicas && { replicas: server.replicas }),
    ...(server.masterSecretArn && { masterSecretArn: server.masterSecretArn }),
    ...(server.clientSecurityGroupId && { clientSecurityGroupId: server.clientSecurityGroupId }),
    ...(roles && { roles: roles.connectionStrings }),
    ...(operator?.repositoryUrl && { operatorRepository: operator.repositoryUrl }),
    migrations: migrations.applied.apply((applied) => applied.length),
    head: migrations.head,
    fingerprint: migrations.fingerprint,
    ...(prices && { report: prices.report.apply((answers) => answers.map(({ answer }) => answer)) }),
  };
}
