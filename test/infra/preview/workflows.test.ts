import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
}

interface Job {
  if?: string;
  permissions?: Record<string, string>;
  environment?: string;
  "timeout-minutes"?: number;
  steps: Step[];
}

interface Workflow {
  on: Record<string, unknown>;
  permissions?: Record<string, string>;
  concurrency?: { group: string; "cancel-in-progress": boolean };
  jobs: Record<string, Job>;
}

const folder = ".github/workflows";
const texts = new Map(readdirSync(folder).map((file) => [file, readFileSync(`${folder}/${file}`, "utf8")]));
const workflows = new Map([...texts].map(([file, text]) => [file, parse(text) as Workflow]));
const ours = ["preview.yml", "preview-comment.yml", "drift.yml", "deploy.yml"];
const jobsOf = (file: string) => Object.values(workflows.get(file)!.jobs);

test.each([...texts.keys()])("%s runs only scripts that exist, and nothing of a stranger's with our rights", (file) => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const text = texts.get(file)!;
  const named = Array.from(text.matchAll(/npm run (?:-s )?([\w:-]+)/g), ([, name]) => name!);
  expect(named.filter((name) => !scripts[name])).toEqual([]);
  expect(text).not.toContain("pull_request_target");
  // What others choose (titles, branches) goes through the environment, never into a command line.
  const commands = jobsOf(file).flatMap(({ steps }) => steps.map(({ run, with: given }) => run ?? given?.script ?? ""));
  for (const command of commands) expect(command).not.toContain("${{");
});

test.each(ours)(
  "%s has the least permissions, a time limit, a concurrency group, and actions pinned by major version",
  (file) => {
    const { permissions, concurrency, jobs } = workflows.get(file)!;
    expect(Object.values(permissions!).filter((right) => right !== "read")).toEqual([]);
    expect(concurrency!.group).toBeTruthy();
    for (const { steps, "timeout-minutes": minutes } of Object.values(jobs)) {
      expect(minutes).toBeGreaterThan(0);
      for (const { uses } of steps) if (uses) expect(uses).toMatch(/^[\w-]+\/[\w-]+@v\d+$/);
    }
  },
);

test("rights beyond reading are those that each job needs", () => {
  const beyond = ours.flatMap((file) =>
    Object.entries(workflows.get(file)!.jobs).map(([job, { permissions = {} }]) => {
      const written = Object.entries(permissions).filter(([, right]) => right === "write");
      return [`${file} ${job}`, written.map(([name]) => name)];
    }),
  );
  expect(Object.fromEntries(beyond)).toEqual({
    "preview.yml pulumi": ["id-token", "pull-requests"],
    "preview.yml stand-in": [],
    "preview-comment.yml comment": ["pull-requests"],
    "drift.yml drift": ["id-token", "issues"],
    "deploy.yml preview": ["id-token"],
    "deploy.yml deploy": ["id-token"],
  });
});

test("a pull request takes exactly one of the two ways, and a fork never the one with credentials", () => {
  const { pulumi, "stand-in": standIn } = workflows.get("preview.yml")!.jobs;
  expect(standIn!.if).toBe(`\${{ !(${pulumi!.if}) }}`);
  expect(pulumi!.if).toContain("github.event.pull_request.head.repo.full_name == github.repository");
  expect(JSON.stringify(standIn)).not.toMatch(/secrets\.|configure-aws-credentials/);
});

test("nothing is deployed without the approval of an environment, nor cut off half-way", () => {
  const { on, concurrency, jobs } = workflows.get("deploy.yml")!;
  expect(on.push).toEqual({ branches: ["main"] });
  expect(concurrency!["cancel-in-progress"]).toBe(false);
  const deploying = Object.values(jobs).filter((job) => job.steps.some((step) => step.with?.command === "up"));
  expect(deploying.map(({ environment }) => environment)).toEqual(["production"]);
});

test("previews and deployments with credentials are checked by the policy pack", () => {
  const runs = ours.flatMap(jobsOf).flatMap(({ steps }) => steps.filter((step) => step.with?.command));
  expect(runs.map((step) => [step.with!.command, step.with!.policyPacks])).toEqual([
    ["preview", "infra/policy"],
    ["up", "infra/policy"],
  ]);
});
