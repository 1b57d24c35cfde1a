import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { makeProject, type Project } from "../../support/project.ts";

let project: Project;
beforeAll(async () => {
  project = await makeProject();
});
afterAll(() => project.remove());

test("a preview that breaks a mandatory rule names it, and fails", async () => {
  const { code, stdout, stderr } = await project.run(
    ...["preview", "--stack", "prod", "--json", "-c", "database:backupRetention=3"],
  );
  expect({ code, stderr }).toEqual({ code: 1, stderr });
  expect(stderr).toMatch(
    /Policies:\n {4}error: Instance server: backups are kept for 3 days: .* \(backup-retention\)\n/,
  );
  expect(JSON.parse(stdout).policyViolations).toEqual([
    expect.objectContaining({ rule: "backup-retention", enforcementLevel: "mandatory" }),
  ]);
});

test.each([
  [["up", "--markdown"], /--markdown is for preview/],
  [["preview", "--base", "main"], /--base says nothing without --markdown/],
])("%j is wrong usage", async (args, message) => {
  const { code, stderr } = await project.run(...args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
});
