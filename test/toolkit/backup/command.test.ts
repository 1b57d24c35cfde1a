import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import type { Backup } from "../../../toolkit/backup/backups.ts";
import { command } from "../../../toolkit/backup/command.ts";
import type { Connection } from "../../../toolkit/connection.ts";
import { execute, makeServer } from "./support.ts";

let connection: Connection;
let target: { kind: "auto"; directory: string };

beforeAll(async () => {
  ({ connection, target } = await makeServer());
  await execute(connection, "create table stocks (id int); insert into stocks select generate_series(1, 20)");
});

/** The command as a user runs it, in a process of its own. */
function backups(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const script = `import { main } from "./toolkit/cli.ts";
    const { target, connection, args } = JSON.parse(process.env.ARGUMENTS);
    process.exitCode = await main(["backups", ...args], async () => [connection, { backup: target }]);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    env: { ...process.env, ARGUMENTS: JSON.stringify({ target, connection, args }) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  return new Promise((done) => child.on("close", (code) => done({ code, ...output })));
}

test("a backup is made, listed, verified, restored and pruned", async () => {
  const empty = await backups("list");
  expect(empty).toEqual({ code: 0, stdout: "", stderr: "there is no backup yet\n" });

  const created = await backups("create", "--reason", "before the weekend", "--json");
  const backup = JSON.parse(created.stdout) as Backup;
  expect(backup).toMatchObject({ method: "physical", reason: "before the weekend", rows: { "public.stocks": 20 } });

  const listed = await backups("list");
  expect(listed.stdout).toMatch(/^id +method +age +size +last migration +reason\n/);
  expect(listed.stdout).toMatch(new RegExp(`\n${backup.id}  physical  0 min  [\\d.]+ MB  - +before the weekend\n$`));
  expect(JSON.parse((await backups("list", "--json")).stdout)).toEqual([backup]);

  const verified = await backups("verify", "latest");
  expect(verified).toMatchObject({ code: 0, stdout: `${backup.id} restores\n` });
  expect(verified.stderr).toContain("restored: tables 1, rows 20; the schema is the one that was recorded");

  const restored = await backups("restore", backup.id);
  expect(restored.stdout).toBe(
    `npm run destroy -- --yes\nnpm run up -- -c database:restoreFrom=${join(target.directory, backup.id)}\n`,
  );
  const folder = join(target.directory, "..", "copy");
  const dry = await backups("restore", backup.id, "--to", folder, "--dry-run");
  expect(dry.stderr).toContain(`would make the data folder ${folder} from ${backup.id}\n`);
  expect(existsSync(folder)).toBe(false);
  expect((await backups("restore", backup.id, "--to", folder)).code).toBe(0);
  expect(existsSync(join(folder, "backup_label"))).toBe(true);
  expect((await backups("restore", backup.id, "--to", folder)).stderr).toContain(`error: ${folder} exists already\n`);

  expect(await backups("prune", "--count", "1")).toEqual({ code: 0, stdout: "", stderr: "nothing to remove\n" });
});

test.each([
  [[], "it is not said what to do with the backups"],
  [["burn"], "backups cannot burn"],
  [["verify"], "it is not said which backup to verify"],
  [["list", "one"], '"one" means nothing to backups list'],
  [["list", "--count", "3"], "--count means nothing to backups list"],
  [["prune", "--count", "0"], "--count 0 is not a number from 1 on"],
])("wrong usage is refused: %j", async (args, what) => {
  const refused = command(args, connection, { backup: target });
  await expect(refused).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(new RegExp(`^${what}\n`)),
  });
});
