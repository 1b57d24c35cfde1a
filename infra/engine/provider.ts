import type { ChildProcess } from "node:child_process";
import * as grpc from "@grpc/grpc-js";
import rpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import statuses from "@pulumi/pulumi/proto/status_pb.js";
import structs from "google-protobuf/google/protobuf/struct_pb.js";
import { startDynamicProvider } from "./processes.ts";
import type { Project } from "./project.ts";
import type { Properties } from "./wire.ts";

/** Messages hold whole resources; Pulumi's own limit. */
export const channelOptions = {
  "grpc.max_receive_message_length": 400 * 1024 * 1024,
  "grpc.max_send_message_length": 400 * 1024 * 1024,
};

export interface ProviderDiff {
  changes: "none" | "some" | "unknown";
  replaces: string[];
  deleteBeforeReplace: boolean;
}

/** A resource was made, but not to its end: its state is kept, and the next `up` goes on with it. */
export class InitError extends Error {
  readonly id: string;
  readonly properties: Properties;
  readonly reasons: string[];

  constructor(message: string, id: string, properties: Properties, reasons: string[]) {
    super(message);
    this.id = id;
    this.properties = properties;
    this.reasons = reasons;
  }
}

/** The process for dynamic providers. Values are without secrets' wrapping. */
export class DynamicProvider {
  #project: Project;
  #address: string;
  #say: (line: string) => void;
  #started: Promise<{ child: ChildProcess; client: InstanceType<typeof rpc.ResourceProviderClient> }> | undefined;
  #errors = "";

  constructor(project: Project, address: string, say: (line: string) => void) {
    this.#project = project;
    this.#address = address;
    this.#say = say;
    // Begun at once: it starts while the program does. A failure is told by the first call.
    this.#client().catch(() => {});
  }

  async check(urn: string, olds: Properties, news: Properties) {
    const request = new messages.CheckRequest();
    request.setUrn(urn);
    request.setOlds(struct(olds));
    request.setNews(struct(news));
    const response = await this.#call<InstanceType<typeof messages.CheckResponse>>("check", request);
    return {
      inputs: plain(response.getInputs()),
      failures: response
        .getFailuresList()
        .map((failure) => ({ property: failure.getProperty(), reason: failure.getReason() })),
    };
  }

  async diff(urn: string, id: string, olds: Properties, news: Properties): Promise<ProviderDiff> {
    const request = new messages.DiffRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setOlds(struct(olds));
    request.setNews(struct(news));
    const response = await this.#call<InstanceType<typeof messages.DiffResponse>>("diff", request);
    const { DIFF_NONE, DIFF_SOME } = messages.DiffResponse.DiffChanges;
    const changes = response.getChanges();
    return {
      changes: changes === DIFF_NONE ? "none" : changes === DIFF_SOME ? "some" : "unknown",
      replaces: response.getReplacesList(),
      deleteBeforeReplace: response.getDeletebeforereplace(),
    };
  }

  async create(urn: string, inputs: Properties) {
    const request = new messages.CreateRequest();
    request.setUrn(urn);
    request.setProperties(struct(inputs));
    const response = await this.#call<InstanceType<typeof messages.CreateResponse>>("create", request);
    return { id: response.getId(), outputs: plain(response.getProperties()) };
  }

  async update(urn: string, id: string, olds: Properties, news: Properties): Promise<Properties> {
    const request = new messages.UpdateRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setOlds(struct(olds));
    request.setNews(struct(news));
    const response = await this.#call<InstanceType<typeof messages.UpdateResponse>>("update", request);
    return plain(response.getProperties());
  }

  async read(urn: string, id: string, outputs: Properties, inputs: Properties) {
    const request = new messages.ReadRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setProperties(struct(outputs));
    request.setInputs(struct(inputs));
    const response = await this.#call<InstanceType<typeof messages.ReadResponse>>("read", request);
    return { id: response.getId(), outputs: plain(response.getProperties()) };
  }

  async delete(urn: string, id: string, outputs: Properties): Promise<void> {
    const request = new messages.DeleteRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setProperties(struct(outputs));
    await this.#call("delete", request);
  }

  async stop(): Promise<void> {
    const started = await this.#started?.catch(() => undefined);
    started?.client.close();
    started?.child.kill("SIGTERM");
    this.#flush();
  }

  async #client() {
    this.#started ??= (async () => {
      const { child, port } = await startDynamicProvider(this.#project, this.#address, this.#say);
      child.stderr!.setEncoding("utf8").on("data", (text: string) => {
        this.#errors += text;
      });
      const client = new rpc.ResourceProviderClient(
        `127.0.0.1:${port}`,
        grpc.credentials.createInsecure(),
        channelOptions,
      );
      await this.#configure(client);
      return { child, client };
    })();
    return (await this.#started).client;
  }

  #configure(client: InstanceType<typeof rpc.ResourceProviderClient>): Promise<void> {
    const request = new messages.ConfigureRequest();
    request.setArgs(struct(this.#project.config));
    return new Promise((resolve, reject) => {
      client.configure(request, (error) => (error ? reject(error) : resolve()));
    });
  }

  async #call<Response>(method: "check" | "diff" | "create" | "update" | "read" | "delete", request: unknown) {
    const client = await this.#client();
    const call = client[method].bind(client) as unknown as (
      request: unknown,
      callback: (error: grpc.ServiceError | null, response: Response) => void,
    ) => void;
    return new Promise<Response>((resolve, reject) => {
      call(request, (error, response) => {
        if (error) reject(this.#explain(error));
        else resolve(response);
        // The process writes to stderr what it also answers; a moment later both are here.
        if (!error) this.#flush();
      });
    });
  }

  #explain(error: grpc.ServiceError): Error {
    this.#flush(error.details);
    if (error.code === grpc.status.UNAVAILABLE || error.code === grpc.status.CANCELLED)
      return new Error("the process for dynamic providers was ended while it worked; run `up` again: it goes on");
    return initError(error) ?? new Error(error.details || error.message);
  }

  /** Shows what the process wrote to stderr, without its own stack-trace copy of an error that is reported anyway. */
  #flush(reported?: string): void {
    const lines = this.#errors.split("\n");
    this.#errors = "";
    const known = new Set((reported ?? "").split("\n").map((line) => line.trim()));
    for (const line of lines) {
      const isEcho = known.has(line.trim()) || [...known].some((part) => part !== "" && line.includes(part));
      if (line.trim() !== "" && !isEcho && !/^\s+at /.test(line)) this.#say(line);
    }
  }
}

function initError(error: grpc.ServiceError): InitError | undefined {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!(bytes instanceof Uint8Array)) return undefined;
  for (const detail of statuses.Status.deserializeBinary(bytes).getDetailsList()) {
    if (!detail.getTypeName().endsWith("ErrorResourceInitFailed")) continue;
    const failed = messages.ErrorResourceInitFailed.deserializeBinary(detail.getValue_asU8());
    return new InitError(error.details, failed.getId(), plain(failed.getProperties()), failed.getReasonsList());
  }
  return undefined;
}

export function struct(properties: Properties) {
  return structs.Struct.fromJavaScript(properties as Parameters<typeof structs.Struct.fromJavaScript>[0]);
}

export function plain(value: InstanceType<typeof structs.Struct> | undefined): Properties {
  return (value?.toJavaScript() ?? {}) as Properties;
}
