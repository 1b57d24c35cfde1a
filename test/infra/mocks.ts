import * as pulumi from "@pulumi/pulumi";
import program from "../../infra/index.ts";
import type { Transforms } from "../../infra/server/rds/children.ts";

/** What the program asked Pulumi for. */
export interface Registered {
  type: string;
  name: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks wherever it likes
  inputs: Record<string, any>;
  /** Names of what must be there first, `type::name`. */
  dependencies: string[];
}

export const account = "123456789012";

/** What the resources would answer, where the program goes on with it. */
const outputs: Record<string, object> = {
  "pulumi-nodejs:dynamic:EmbeddedServer": {
    connection: { host: "127.0.0.1", port: 54320, database: "investment", user: "postgres", password: "geheim" },
    systemIdentifier: "7",
  },
  "pulumi-nodejs:dynamic:Migrations": { applied: ["0001_initial_schema"], fingerprint: "f1" },
  "pulumi-nodejs:dynamic:RolePasswords": {
    passwords: { migrator: "geheim", application: "geheim", readOnly: "geheim", monitor: "geheim" },
  },
  "pulumi-nodejs:dynamic:SampleData": { report: [] },
  "aws:rds/instance:Instance": {
    address: "db.example.com",
    endpoint: "db.example.com:5432",
    masterUserSecrets: [{ secretArn: "arn:aws:secret" }],
    resourceId: "db-ABC",
    engineVersionActual: "17.6",
  },
  "aws:rds/subnetGroup:SubnetGroup": { vpcId: "vpc-of-subnets" },
  "aws:ec2/vpc:Vpc": { mainRouteTableId: "rtb-main" },
  "aws:ec2/vpcEndpoint:VpcEndpoint": { prefixListId: "pl-s3" },
  "aws:ecr/repository:Repository": { repositoryUrl: "repository.example.com/operator" },
};

/** Runs the whole program against Pulumi's mocks. Its resources by the last part of their type, and its outputs. */
export async function register(config: Record<string, string>, transforms?: Transforms) {
  const registered: Registered[] = [];
  const dependencies = new Map<string, string[]>();
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, id }) => {
        registered.push({ type, name, inputs, dependencies: dependencies.get(`${type}::${name}`) ?? [] });
        const arn = `arn:aws:mock:${inputs.region ?? "eu-central-1"}:${account}:${name}`;
        return { id: id || `${name}-id`, state: { arn, name, ...inputs, ...outputs[type] } };
      },
      call: () => ({ secretString: '{"password":"geheim"}' }),
    },
    "database",
    "test",
  );
  // The mocks are not told of dependencies: they are read on the way.
  const monitor = pulumi.runtime.getMonitor() as unknown as Record<"registerResource", (...args: unknown[]) => unknown>;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, ...rest) => {
    const { getType, getName, getDependenciesList } = request as Record<string, () => unknown>;
    const list = getDependenciesList!.call(request) as string[];
    const shown = list.map((urn) => urn.split("::").slice(2).join("::").replace(/^.*\$/, ""));
    dependencies.set(`${getType!.call(request)}::${getName!.call(request)}`, shown);
    return register(request, ...rest);
  };
  pulumi.runtime.setAllConfig(config);
  const result = await withPlainTraces(async () => {
    const declared = program(transforms);
    // Registrations are on their way until the last of them has answered.
    await pulumi.runtime.disconnect();
    return declared;
  });
  // AWS has roles too.
  const shortName = (type: string) => (type.startsWith("postgresql:") ? "postgresql:" : "") + type.split(":").at(-1)!;
  const byType = Map.groupBy(registered, ({ type }) => shortName(type));
  return {
    registered,
    outputs: result,
    types: [...byType.keys()],
    /** All of a type. */
    all: (type: string) => byType.get(type) ?? [],
    /** The inputs of the one of a type; with `name`, of that name. */
    inputsOf: (type: string, name?: string) => {
      const found = (byType.get(type) ?? []).filter((resource) => name === undefined || resource.name === name);
      if (found.length !== 1) throw new Error(`${found.length} resources ${type} ${name ?? ""}`);
      return found[0]!.inputs;
    },
  };
}

/** Pulumi's SDK takes a stack trace with each promise, and jest would look up the source of each of its lines. */
async function withPlainTraces<T>(work: () => Promise<T>): Promise<T> {
  const { prepareStackTrace } = Error;
  Error.prepareStackTrace = (error, frames) => [error, ...frames].join("\n    at ");
  try {
    return await work();
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
  }
}

/** The value of an output, also of a secret one. */
export const resolved = <T>(output: pulumi.Input<T>): Promise<T> =>
  new Promise((resolve) => {
    pulumi.output(output).apply((value) => resolve(value as T));
  });
