import { spawn } from "node:child_process";
import { beforeAll, expect, test } from "@jest/globals";
import { rules } from "../../../infra/policy/rules.ts";

let [comment, said, code] = ["", "", null as number | null];

// What the workflow runs: the production stack, without AWS and without a pulumi.
beforeAll(async () => {
  const args = ["infra/engine/cli.ts", "preview", "--stack", "prod", "--markdown", "--stand-in"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    comment += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  code = await new Promise((done) => child.once("close", done));
});

test("the production stack's comment has a marker, the diff, policies, migrations with locks, and the cost", () => {
  expect({ code, said }).toEqual({ code: 0, said });
  const lines = comment.split("\n");
  expect(lines[0]).toBe("<!-- preview of stack prod -->");
  expect(lines.filter((line) => /^###? /.test(line))).toEqual([
    "## Preview of stack `prod`",
    expect.stringMatching(/^### Infrastructure: \d+ to create$/),
    `### Policies: all ${rules.length} rules kept`,
    expect.stringMatching(/^### Migrations: \d+ of \d+ pending$/),
    expect.stringMatching(/^### Monthly cost: (at least )?\*\*\$[\d,]+\.\d\d\*\*$/),
  ]);
  expect(comment).toMatch(/\| `\+` \| create \| `server` \| `aws:rds\.Instance` \| \d+ new \|/);
  expect(comment).toContain("| `0002_price_history_by_stock_and_date` |");
  expect(comment).toMatch(
    /\| instance server \| db\.r7g\.large, \$0\.\d+ an hour × 730, × 2 for Multi-AZ \| \$\d+\.\d\d \|/,
  );
  expect(comment).toContain("+ storageEncrypted: true");
  expect(comment.length).toBeLessThan(65_536);
});

test("what is folded is closed again, and no code leaks out of its block", () => {
  expect(comment.match(/<details>/g)!.length).toBe(comment.match(/<\/details>/g)!.length);
  expect(comment.match(/^```/gm)!.length % 2).toBe(0);
});
