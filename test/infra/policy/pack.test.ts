import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import analyzerRpc from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import analyzer from "@pulumi/pulumi/proto/analyzer_pb.js";
import empties from "google-protobuf/google/protobuf/empty_pb.js";
import { struct } from "../../../infra/engine/provider.ts";
import { secret, unknownValue } from "../../../infra/engine/wire.ts";
import type { Resource } from "../../../infra/policy/rule.ts";
import { rules } from "../../../infra/policy/rules.ts";
import { primary, resource } from "./resources.ts";

/** The pack as Pulumi's engine runs it: in the SDK's own launcher, asked over gRPC. */
let pack: ChildProcess;
let client: InstanceType<typeof analyzerRpc.AnalyzerClient>;

beforeAll(async () => {
  const launcher = createRequire(import.meta.url).resolve("@pulumi/pulumi/cmd/run-policy-pack");
  pack = spawn(process.execPath, [launcher, "127.0.0.1:1", "."], {
    cwd: "infra/policy",
    env: { ...process.env, PULUMI_NODEJS_TYPESCRIPT: "false" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await new Promise<string>((found, failed) => {
    createInterface({ input: pack.stdout! }).once("line", found);
    pack.once("exit", (code) => failed(new Error(`the pack ended with exit code ${code}`)));
  });
  client = new analyzerRpc.AnalyzerClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
});

afterAll(() => {
  client?.close();
  pack?.kill("SIGKILL");
});

type Answer = InstanceType<typeof analyzer.AnalyzeResponse>;

function call<T>(method: "analyze" | "analyzeStack" | "remediate" | "getAnalyzerInfo", request: unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const callback = (error: Error | null, response: T) => (error ? reject(error) : resolve(response));
    const options = { deadline: Date.now() + 20_000 };
    (client[method] as (...args: unknown[]) => void).call(client, request, options, callback);
  });
}

/** Analyzes a resource as the engine does: remediations first. */
async function analyze({ urn, type, name, props }: Resource): Promise<string[]> {
  const request = new analyzer.AnalyzeRequest();
  request.setUrn(urn);
  request.setType(type);
  request.setName(name);
  request.setProperties(struct(props));
  request.setOptions(new analyzer.AnalyzerResourceOptions());
  await call("remediate", request);
  return told(await call<Answer>("analyze", request));
}

const told = (answer: Answer) =>
  answer.getDiagnosticsList().map((one) => `${one.getPolicyname()} ${one.getEnforcementlevel()}: ${one.getMessage()}`);

const mandatory = analyzer.EnforcementLevel.MANDATORY;

test("it holds every rule, by name", async () => {
  const info = await call<InstanceType<typeof analyzer.AnalyzerInfo>>("getAnalyzerInfo", new empties.Empty());
  expect(info.getPoliciesList().map((policy) => policy.getName())).toEqual(rules.map(({ name }) => name));
});

test("a resource that keeps the rules passes, with secrets and unknown values in it", async () => {
  const secrets = { password: secret("geheim"), nested: [{ url: secret("postgres://u:geheim@db/x") }] };
  expect(await analyze(primary({ ...secrets, parameterGroupName: unknownValue }))).toEqual([]);
});

test("a resource that breaks rules is told by the rule's own words", async () => {
  const found = await analyze(primary({ storageEncrypted: false, password: "geheim" }));
  expect(found).toEqual([
    expect.stringMatching(`^storage-encrypted ${mandatory}: .*\\n?.*its storage is not encrypted`),
    expect.stringMatching(`^no-plaintext-secret ${mandatory}: .*\\n?.*password is in plain text`),
  ]);
});

test("alarms are looked for in the whole stack", async () => {
  const alarm = (metricName: string) =>
    resource("aws:cloudwatch/metricAlarm:MetricAlarm", {
      metricName,
      dimensions: { DBInstanceIdentifier: "database-prod" },
    });
  const request = new analyzer.AnalyzeStackRequest();
  for (const { urn, type, name, props } of [primary(), alarm("CPUUtilization"), alarm("FreeableMemory")]) {
    const entry = new analyzer.AnalyzerResource();
    entry.setUrn(urn);
    entry.setType(type);
    entry.setName(name);
    entry.setProperties(struct(props));
    entry.setOptions(new analyzer.AnalyzerResourceOptions());
    request.addResources(entry);
  }
  expect(told(await call<Answer>("analyzeStack", request))).toEqual([
    expect.stringMatching(/^alarms-exist .*\n?.*tell of FreeStorageSpace .*, DatabaseConnections/),
  ]);
});
