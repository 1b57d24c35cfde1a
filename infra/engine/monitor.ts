import * as grpc from "@grpc/grpc-js";
import engineRpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";
import resourceRpc from "@pulumi/pulumi/proto/resource_grpc_pb.js";
import resources from "@pulumi/pulumi/proto/resource_pb.js";
import empties from "google-protobuf/google/protobuf/empty_pb.js";
import { messageOf } from "../../toolkit/errors.ts";
import type { Deployment } from "./deployment.ts";
import type { Severity } from "./display.ts";
import { readGoal } from "./goal.ts";
import type { Project } from "./project.ts";
import { channelOptions, plain, struct } from "./provider.ts";

/** What the SDK may use; it refuses by itself what is not listed. `deletedWith` only of resources that are previewed. */
const features = ["secrets", "resourceReferences", "deletedWith"];

type Handler = grpc.handleUnaryCall<unknown, unknown>;

/** Makes a handler of a function from request to response. */
function answering<Request, Response>(work: (request: Request) => Response | Promise<Response>): Handler {
  return (call, answer) => {
    Promise.resolve()
      .then(() => work(call.request as Request))
      .then(
        (response) => answer(null, response),
        (error: unknown) => answer({ code: grpc.status.UNKNOWN, details: messageOf(error) }),
      );
  };
}

/** The engine's side of Pulumi's wire protocol, on a port of the loopback of its own. */
export class Monitor {
  readonly address: string;
  #server: grpc.Server;

  private constructor(server: grpc.Server, port: number) {
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
  }

  /** Starts to listen. `deployment` does the work, `log` gets what the program says. */
  static async start(
    project: Project,
    deployment: () => Deployment,
    log: (severity: Severity, message: string) => void,
  ): Promise<Monitor> {
    const server = new grpc.Server(channelOptions);
    server.addService(
      resourceRpc.ResourceMonitorService as unknown as grpc.ServiceDefinition,
      monitorService(project, deployment),
    );
    server.addService(engineRpc.EngineService as unknown as grpc.ServiceDefinition, engineService(log));
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    return new Monitor(server, port);
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

function monitorService(project: Project, deployment: () => Deployment): Record<string, Handler> {
  return {
    supportsFeature: answering((request: InstanceType<typeof resources.SupportsFeatureRequest>) => {
      const response = new resources.SupportsFeatureResponse();
      response.setHassupport(features.includes(request.getId()));
      return response;
    }),
    registerResource: answering(async (request: InstanceType<typeof resources.RegisterResourceRequest>) => {
      const goal = readGoal(request, project.stack, project.name);
      const { id, outputs } = await deployment().register(goal);
      const response = new resources.RegisterResourceResponse();
      response.setUrn(goal.urn);
      response.setId(id);
      response.setObject(struct(outputs));
      return response;
    }),
    registerResourceOutputs: answering((request: InstanceType<typeof resources.RegisterResourceOutputsRequest>) => {
      deployment().setOutputs(request.getUrn(), plain(request.getOutputs()));
      return new empties.Empty();
    }),
    invoke: answering((request: InstanceType<typeof resources.ResourceInvokeRequest>) => {
      throw new Error(`the stand-in engine cannot ask a cloud (${request.getTok()}): this takes Pulumi's own engine`);
    }),
    readResource: answering((request: InstanceType<typeof resources.ReadResourceRequest>) => {
      throw new Error(
        `the stand-in engine cannot read ${request.getType()} ${request.getName()}: this takes Pulumi's own engine`,
      );
    }),
    signalAndWaitForShutdown: answering(() => new empties.Empty()),
  };
}

function engineService(log: (severity: Severity, message: string) => void): Record<string, Handler> {
  let root = "";
  const severities: Severity[] = ["debug", "info", "warning", "error"];
  return {
    log: answering((request: InstanceType<typeof engine.LogRequest>) => {
      log(severities[request.getSeverity()]!, request.getMessage());
      return new empties.Empty();
    }),
    getRootResource: answering(() => {
      const response = new engine.GetRootResourceResponse();
      response.setUrn(root);
      return response;
    }),
    setRootResource: answering((request: InstanceType<typeof engine.SetRootResourceRequest>) => {
      root = request.getUrn();
      return new engine.SetRootResourceResponse();
    }),
  };
}
