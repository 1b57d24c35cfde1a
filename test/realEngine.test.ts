import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { findPulumi } from "../infra/engine/pulumi.ts";
import { makeProject, type Project } from "./support/project.ts";

// Pulumi's own engine is no part of the project: where it is on PATH, the same program is run by it too.
const pulumi = findPulumi();
const withPulumi = pulumi ? test : test.skip;
const home = pulumi ? mkdtempSync(join(tmpdir(), "pulumi-home-")) : "";
const passphrase = "for this test alone";
const minutes = 60_000;

interface Deployment {
  deployment: { resources: { type: string; inputs?: Record<string, unknown>; outputs?: Record<string, unknown> }[] };
}

let project: Project | undefined;
afterAll(async () => {
  await project?.remove();
  if (home) rmSync(home, { recursive: true });
}, minutes);

function run(...args: string[]): string {
  const env = {
    ...process.env,
    PATH: [dirname(process.execPath), dirname(pulumi!), process.env.PATH].join(delimiter),
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: `file://${home}`,
    PULUMI_CONFIG_PASSPHRASE: passphrase,
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  return execFileSync(pulumi!, args, { cwd: project!.folder, env, encoding: "utf8", stdio: "pipe" });
}

const resource = ({ deployment }: Deployment, type: string) =>
  deployment.resources.find((one) => one.type.endsWith(`:${type}`))!;

withPulumi(
  "Pulumi's own engine brings the same program to the same end, and takes over a stack of the stand-in's",
  async () => {
    project = await makeProject();
    run("stack", "init", "local");
    run("up", "--yes", "--stack", "local");
    run("preview", "--stack", "local", "--expect-no-changes");
    run("refresh", "--yes", "--stack", "local", "--expect-no-changes");
    const made = JSON.parse(run("stack", "export", "--stack", "local")) as Deployment;
    const { connectionString } = JSON.parse(run("stack", "output", "--json", "--show-secrets", "--stack", "local"));
    expect(JSON.stringify(made)).not.toContain(new URL(connectionString).password);
    run("destroy", "--yes", "--stack", "local");

    process.env.PULUMI_CONFIG_PASSPHRASE = passphrase;
    const { code, stderr } = await project.run("up");
    expect({ code, stderr }).toEqual({ code: 0, stderr });
    const state = JSON.parse(
      execFileSync("cat", [".local/local/state.json"], { cwd: project.folder, encoding: "utf8" }),
    );
    for (const type of ["EmbeddedServer", "Migrations", "SampleData"])
      expect(resource(state, type).inputs!.__provider).toBe(resource(made, type).inputs!.__provider);
    const { fingerprint } = resource(state, "Migrations").outputs!;
    expect(fingerprint).toBe(resource(made, "Migrations").outputs!.fingerprint);

    run("stack", "import", "--stack", "local", "--file", ".local/local/state.json");
    run("preview", "--stack", "local", "--expect-no-changes");
  },
  5 * minutes,
);
