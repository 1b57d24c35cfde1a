import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";

// The script with stand-ins for docker and AWS's command line, which write down what they are asked.
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "publish-"));
  cpSync("infra", join(folder, "infra"), { recursive: true });
  for (const file of ["package.json", "Pulumi.yaml"]) cpSync(file, join(folder, file));
  for (const linked of ["node_modules", "toolkit"]) symlinkSync(resolve(linked), join(folder, linked));
  mkdirSync(join(folder, "bin"));
  const stub = (name: string, body: string) => {
    writeFileSync(join(folder, "bin", name), `#!/bin/sh\necho "${name} $*" >> ${folder}/asked\n${body}\n`);
    chmodSync(join(folder, "bin", name), 0o755);
  };
  stub(
    "aws",
    `case "$*" in
      *describe-repositories*) [ -n "$REPOSITORY" ] && echo "1.dkr.ecr.x.amazonaws.com/$REPOSITORY" || { echo "$REFUSAL" >&2; exit 254; } ;;
      *describe-images*) [ -n "$HELD" ] || { echo ImageNotFoundException >&2; exit 254; } ;;
      *get-login-password*) echo geheim ;;
    esac`,
  );
  stub("docker", 'case "$1" in login) read password; [ "$password" = geheim ] ;; esac');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function publish(image: string | undefined, variables: Record<string, string> = {}) {
  rmSync(join(folder, "asked"), { force: true });
  const config = image === undefined ? "{}" : `{ database:operatorImage: "${image}" }`;
  writeFileSync(join(folder, "Pulumi.prod.yaml"), `config: ${config}\n`);
  const { status, stdout, stderr } = spawnSync("bash", ["infra/operator/publish.sh", "team/database/prod"], {
    cwd: folder,
    encoding: "utf8",
    env: {
      ...process.env,
      PATH: `${folder}/bin:${resolve("node_modules/.bin")}:${process.env.PATH}`,
      ...{ REPOSITORY: "", HELD: "", REFUSAL: "RepositoryNotFoundException", ...variables },
    },
  });
  const asked = existsSync(join(folder, "asked")) ? readFileSync(join(folder, "asked"), "utf8").trim().split("\n") : [];
  return { status, said: (stdout + stderr).trim(), asked: asked.map((line) => line.split(" ").slice(0, 3).join(" ")) };
}

test("an image that the repository lacks is built and pushed, and its password goes through no command line", () => {
  const { status, asked } = publish("1.4.0", { REPOSITORY: "database-prod-operator" });
  // The password goes from one program to the other, which begin together.
  const together = asked.splice(3, 2).toSorted();
  expect([status, ...asked, ...together]).toEqual([
    0,
    "aws ecr describe-repositories",
    "aws ecr describe-images",
    "docker build --platform",
    "docker push 1.dkr.ecr.x.amazonaws.com/database-prod-operator:1.4.0",
    "aws ecr get-login-password",
    "docker login --username",
  ]);
  expect(readFileSync(join(folder, "asked"), "utf8")).toContain("--repository-names database-prod-operator ");
  expect(readFileSync(join(folder, "asked"), "utf8")).not.toContain("geheim");
});

test("nothing is built where nothing is asked for, where it is there, and before there is a repository", () => {
  expect(publish(undefined)).toEqual({
    status: 0,
    said: "stack prod has no operatorImage: nothing to publish",
    asked: [],
  });
  expect(publish("ghcr.io/team/operator:1")).toMatchObject({ status: 0, asked: [] });
  expect(publish("1.4.0")).toMatchObject({
    ...{ status: 0, said: "there is no repository database-prod-operator yet: up makes it" },
    asked: ["aws ecr describe-repositories"],
  });
  const there = publish("1.4.0", { REPOSITORY: "database-prod-operator", HELD: "yes" });
  expect([there.status, there.asked.at(-1)]).toEqual([0, "aws ecr describe-images"]);
});

test("a refusal by AWS is no reason to believe that there is no repository", () => {
  expect(publish("1.4.0", { REFUSAL: "AccessDeniedException" })).toMatchObject({
    status: 1,
    said: "AccessDeniedException",
  });
});
