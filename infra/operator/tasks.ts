import * as pulumi from "@pulumi/pulumi";
import type { Children } from "../server/rds/children.ts";
import { port } from "../server/rds/network.ts";
import type { Login } from "./login.ts";

/** One container: a command of the toolkit. */
export interface Container {
  name: string;
  command: string[];
  login: Login;
  /** The container that has to have ended before this one begins. */
  after?: string;
  /** Folders that it may write to; everything else is read-only. */
  writes?: string[];
}

/** What all containers have in common. */
export interface Common {
  image: pulumi.Input<string>;
  region: string;
  host: pulumi.Input<string>;
  database: string;
  /** What the toolkit knows of the stack, for TOOLKIT_CONTEXT. */
  context: pulumi.Input<object>;
  logGroupName: pulumi.Input<string>;
  executionRoleArn: pulumi.Input<string>;
}

/** The smallest size of Fargate: the toolkit waits for the database most of the time. vCPUs × 1024, and MiB. */
const size = { cpu: "256", memory: "512" };

/** Where the image has the project: infra/operator/Dockerfile. */
export const folder = "/srv/operator";

/** Defines a task of Fargate, whose containers end by themselves. The last one is the one whose end is the task's. */
export function defineTask(
  name: string,
  family: string,
  containers: Container[],
  common: Common,
  taskRoleArn: pulumi.Input<string>,
  own: Children,
) {
  const volumes = containers.flatMap(({ writes = [] }) => writes);
  return own.make("taskDefinition", name, {
    family,
    requiresCompatibilities: ["FARGATE"],
    networkMode: "awsvpc",
    ...size,
    runtimePlatform: { operatingSystemFamily: "LINUX", cpuArchitecture: "X86_64" },
    executionRoleArn: common.executionRoleArn,
    taskRoleArn,
    volumes: volumes.map((volume) => ({ name: volumeName(volume) })),
    containerDefinitions: pulumi
      .all(containers.map((container, index) => definition(container, index === containers.length - 1, common)))
      .apply((definitions) => JSON.stringify(definitions)),
  });
}

/** @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#container_definitions */
function definition({ name, command, login, after, writes = [] }: Container, essential: boolean, common: Common) {
  const { image, host, database, context, region, logGroupName } = common;
  const variables = {
    PGDATABASE: database,
    PGHOST: host,
    PGPORT: String(port),
    // The host is Amazon's: the toolkit verifies it against Amazon's bundle.
    PGSSLMODE: "verify-full",
    PGUSER: login.user,
    TOOLKIT_CONTEXT: pulumi.output(context).apply((known) => JSON.stringify(known)),
  };
  return {
    ...{ name, image, command, essential },
    environment: Object.entries(variables).map(([variable, value]) => ({ name: variable, value })),
    secrets: [{ name: "PGPASSWORD", valueFrom: login.passwordFrom }],
    ...(after && { dependsOn: [{ containerName: after, condition: "COMPLETE" }] }),
    readonlyRootFilesystem: true,
    mountPoints: writes.map((path) => ({ sourceVolume: volumeName(path), containerPath: `${folder}/${path}` })),
    linuxParameters: { initProcessEnabled: true, capabilities: { drop: ["ALL"] } },
    // Seconds between the wish to end and the end: maintenance ends the step that it is in.
    stopTimeout: 120,
    logConfiguration: {
      logDriver: "awslogs",
      options: { "awslogs-group": logGroupName, "awslogs-region": region, "awslogs-stream-prefix": name },
    },
  };
}

const volumeName = (path: string) => path.replaceAll(/\W/g, "-");
