import { expect, test } from "@jest/globals";
import { command } from "../../../../toolkit/migrate/commands/rollback.ts";
import { alone, failure, sql } from "../support.ts";
import { captureOutput, deployed, rememberedBackups } from "./support.ts";

const output = captureOutput();

const context = { backup: { kind: "auto", directory: "backups" } } as const;

async function withThree() {
  const deployment = await deployed({
    "0001_stocks.sql": sql("create table stocks (id int)", "drop table stocks"),
    "0002_by_id.ts": alone("create index concurrently by_id on stocks (id)", "drop index concurrently by_id"),
    "0003_more.sql": sql("create table more ()", "drop table more"),
  });
  const backups = rememberedBackups();
  const run = (...argv: string[]) =>
    command([...argv, "--directory", deployment.folder.directory], deployment.connection, context, backups);
  const applied = async () =>
    (await deployment.client.query("select name from pgmigrations order by id")).rows.map(({ name }) => name);
  return { ...deployment, backups, run, applied };
}

test("without --yes it shows what would be undone, and undoes nothing", async () => {
  const { run, applied, backups } = await withThree();
  expect(await run("--count", "2")).toBe(2);
  expect(output.stdout).toBe(
    `-- undo 0003_more, in a transaction
-- Down Migration
drop table more;

-- undo 0002_by_id, without a transaction
drop index concurrently by_id;

`,
  );
  expect(output.stderr).toBe("would undo: 0003_more, 0002_by_id\nNothing was undone. Add --yes to undo it.\n");
  expect(await run("--yes", "--dry-run")).toBe(0);
  expect(await applied()).toHaveLength(3);
  expect(backups.made).toEqual([]);
});

test("with --yes it makes a backup, undoes, and keeps a record", async () => {
  const { run, applied, backups, client, up } = await withThree();
  expect(await run("--to", "0001_stocks", "--yes")).toBe(0);
  expect(await applied()).toEqual(["0001_stocks"]);
  expect(backups.made).toEqual(["before undoing 0003_more"]);
  const { rows } = await client.query(
    "select s.kind, migration, s.result, s.message, backup from deploy.step s join deploy.run r on r.id = run_id where r.kind = 'rollback' order by s.id",
  );
  expect(rows).toEqual([
    { kind: "backup", migration: null, result: "ok", message: "backup-1", backup: "backup-1" },
    { kind: "rollback", migration: "0003_more", result: "ok", message: null, backup: "backup-1" },
    { kind: "rollback", migration: "0002_by_id", result: "ok", message: null, backup: "backup-1" },
  ]);
  expect((await up()).ran).toEqual(["0002_by_id", "0003_more"]);
});

test("without a backup nothing is undone, unless that is wanted", async () => {
  const { connection, folder, applied } = await withThree();
  const argv = ["--yes", "--directory", folder.directory];
  const backups = rememberedBackups(new Error("no room"));
  expect(await failure(command(argv, connection, context, backups))).toBe(
    `nothing was undone, for there is no backup to come back to
  why: no room
  fix: Correct what keeps the backup from being made, or do without one: --without-backup.`,
  );
  expect(await applied()).toHaveLength(3);
  expect(await command([...argv, "--without-backup"], connection, context, backups)).toBe(0);
  expect(await applied()).toHaveLength(2);
});

test("what cannot be undone, and what is not understood, is refused", async () => {
  const { run, folder, up } = await withThree();
  await folder.write({
    "0004_final.ts": "export function up(pgm) { pgm.sql('select 1'); }\nexport const down = false;",
  });
  await up();
  expect(await failure(run("--yes"))).toContain("0004_final cannot be undone");
  expect(await failure(run("--count", "0"))).toContain("--count 0 is not a number of migrations");
  expect(await failure(run("--count", "1", "--to", "0001_stocks"))).toContain(
    "--count and --to say two different things",
  );
  expect(await failure(run("--to", "0009_x"))).toContain("0009_x is not applied");
});
