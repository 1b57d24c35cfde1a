import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";
import { type BenchServer, startBenchServer } from "../../../bench/server.ts";
import { type Connection, connect, withClient } from "../../../toolkit/connection.ts";
import { schedule } from "../../../toolkit/partitions/schedule.ts";

// The embedded server has no pg_cron; Debian's is used where it is installed, with what starts it for benchmarks.
const installed = ["pg_partman", "pg_cron"].every((name) =>
  existsSync(`/usr/share/postgresql/15/extension/${name}.control`),
);

(installed ? describe : describe.skip)("on a server with pg_cron", () => {
  let server: BenchServer;
  let admin: pg.Client;
  beforeAll(async () => {
    server = await startBenchServer({
      settings: { shared_preload_libraries: "pg_cron", "cron.database_name": "postgres", shared_buffers: "32MB" },
    });
    admin = await connect(server.connection);
    await admin.query(`
      create extension pg_cron;
      create role keeper nologin; create role migrator login password 'geheim'; create role stranger login password 'geheim';
      grant keeper to migrator; alter role migrator set role to keeper;
      grant create on database postgres to keeper; grant usage on schema cron to migrator`);
  }, 30_000);
  afterAll(async () => {
    await admin?.end();
    await server?.stop();
  });

  const as = (user: string): Connection => ({ ...server.connection, user, password: "geheim" });

  test("a job runs as the user that logs in, not as the role that it acts as, and makes the partitions", async () => {
    await withClient(as("migrator"), {}, async (client) => {
      expect(await schedule(client, { schedule: "* * * * *" })).toMatchObject([
        { schedule: "* * * * *", command: "call deploy.create_partitions_ahead()", active: true },
      ]);
      // Again, at other times: there is still one.
      expect(await schedule(client, { schedule: "17 3 * * *" })).toMatchObject([{ schedule: "17 3 * * *" }]);
      await client.query(`
        create schema kept; create table kept.days (day date not null) partition by range (day);
        create table kept.days_1 partition of kept.days for values from ('2026-01-01') to ('2026-02-01');
        insert into deploy.partition_policy values ('kept', 'days', 'month', 2, null, 'drop', 'UTC')`);
    });
    const { rows } = await admin.query(
      "select username, rolcanlogin as may, command from cron.job join pg_roles on rolname = username",
    );
    expect(rows).toEqual([{ username: "migrator", may: true, command: "call deploy.create_partitions_ahead()" }]);
    await withClient(as(rows[0].username), {}, (client) => client.query(rows[0].command));
    const made = await admin.query(
      "select distinct relowner::regrole::text as owner, count(*) over () > 1 as more from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = 'kept.days'::regclass",
    );
    expect(made.rows).toEqual([{ owner: "keeper", more: true }]);
    await withClient(as("migrator"), {}, async (client) => {
      expect(await schedule(client, "show")).toHaveLength(1);
      expect(await schedule(client, "remove")).toEqual([]);
    });
  });

  test("times that pg_cron does not understand, and a user that may not use it, are told so", async () => {
    await withClient(as("migrator"), {}, (client) =>
      expect(schedule(client, { schedule: "daily" })).rejects.toThrow(`pg_cron does not understand the times "daily"
  fix: Write them as cron does, in GMT, like "17 3 * * *".`),
    );
    await withClient(as("stranger"), {}, (client) =>
      expect(schedule(client, "show")).rejects.toThrow(`stranger may not use pg_cron
  why: Its schema, cron, is closed to others than its owner.
  fix: As the owner of the extension: grant usage on schema cron to stranger;`),
    );
  });
});
