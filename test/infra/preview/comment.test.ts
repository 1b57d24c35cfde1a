import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "@jest/globals";
import { parse } from "yaml";

// The two scripts of preview-comment.yml, as actions/github-script runs them, against a GitHub that remembers.
const workflow = parse(readFileSync(".github/workflows/preview-comment.yml", "utf8"));
const [find, post] = workflow.jobs.comment.steps.flatMap(
  (step: { with: { script?: string } }) => step.with.script ?? [],
);

const folder = mkdtempSync(join(tmpdir(), "comment-"));
const file = join(folder, "comment.md");
afterAll(() => rmSync(folder, { recursive: true }));

interface Comment {
  id: number;
  user: { login: string };
  body: string;
}

let [comments, failures, outputs] = [[] as Comment[], [] as string[], {} as Record<string, unknown>];
let artifacts = [{ name: "preview", size_in_bytes: 9_000 }];
const head = { sha: "abc", repo: { id: 7 } };
let pulls = [{ number: 12, head }];

beforeEach(() => {
  [comments, failures, outputs] = [[], [], {}];
  artifacts = [{ name: "preview", size_in_bytes: 9_000 }];
  pulls = [
    { number: 11, head: { sha: "other", repo: { id: 7 } } },
    { number: 12, head },
  ];
});

const github = {
  rest: {
    actions: { listWorkflowRunArtifacts: async () => ({ data: { artifacts } }) },
    pulls: { list: async () => ({ data: pulls }) },
    issues: {
      listComments: "comments",
      createComment: async ({ body }: Comment) => {
        comments.push({ id: comments.length + 1, user: { login: "github-actions[bot]" }, body });
      },
      updateComment: async ({ comment_id, body }: { comment_id: number; body: string }) => {
        comments.find(({ id }) => id === comment_id)!.body = body;
      },
    },
  },
  paginate: async () => comments,
};

const context = {
  repo: { owner: "us", repo: "database" },
  payload: {
    workflow_run: {
      id: 1,
      head_sha: "abc",
      head_branch: "change",
      head_repository: { id: 7, full_name: "them/database", owner: { login: "them" } },
    },
  },
};

const core = {
  info: () => {},
  setFailed: (reason: string) => void failures.push(reason),
  setOutput: (name: string, value: unknown) => {
    outputs[name] = value;
  },
};

async function run(script: string): Promise<void> {
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  const process = { env: { NUMBER: "12", FILE: file } };
  const work = AsyncFunction("github", "context", "core", "require", "process", script);
  await work(github, context, core, createRequire(import.meta.url), process);
}

const marker = "<!-- preview of stack prod -->";

test("the pull request is found by the head that GitHub tells, not by what the artifact says", async () => {
  await run(find);
  expect(outputs).toEqual({ number: 12 });
});

test("a commit that is no head any more, or another repository's, belongs to no pull request", async () => {
  pulls = [
    { number: 12, head: { sha: "newer", repo: { id: 7 } } },
    { number: 13, head: { sha: "abc", repo: { id: 8 } } },
  ];
  await run(find);
  expect({ outputs, failures }).toEqual({ outputs: {}, failures: [] });
});

test("a run without an artifact is nothing to do, one with a huge one is refused", async () => {
  artifacts = [];
  await run(find);
  expect({ outputs, failures }).toEqual({ outputs: {}, failures: [] });
  artifacts = [{ name: "preview", size_in_bytes: 900_000 }];
  await run(find);
  expect({ outputs, failures: failures.length }).toEqual({ outputs: {}, failures: 1 });
});

test("the comment is made once and then edited in place; one of a person's with the same marker stays", async () => {
  comments.push({ id: 99, user: { login: "somebody" }, body: `${marker} mine` });
  writeFileSync(file, `${marker}\n\n## first`);
  await run(post);
  writeFileSync(file, `${marker}\n\n## second, @everybody`);
  await run(post);
  expect(comments.map(({ body }) => body)).toEqual([
    `${marker} mine`,
    expect.stringMatching(/^<!-- preview of stack prod -->\n> Made by .*\n\n\n## second, @\u200beverybody$/),
  ]);
});

test("what is not a comment of the preview is refused", async () => {
  writeFileSync(file, "## no marker");
  await run(post);
  writeFileSync(file, `${marker}${"x".repeat(70_000)}`);
  await run(post);
  rmSync(file);
  symlinkSync("/etc/hostname", file);
  await run(post);
  rmSync(file);
  expect({ comments, failures: failures.length }).toEqual({ comments: [], failures: 3 });
});
