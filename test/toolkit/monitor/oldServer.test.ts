import { expect, test } from "@jest/globals";
import { findServer } from "../../../toolkit/backup/programs.ts";
import { connect, withClient } from "../../../toolkit/connection.ts";
import { readLog } from "../../../toolkit/monitor/plans/logSource.ts";
import { serverLog } from "../../../toolkit/monitor/plans/serverLog.ts";
import { queryPlans } from "../../../toolkit/monitor/queryPlans.ts";
import { snapshot } from "../../../toolkit/monitor/snapshot.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { startOwnServer } from "./ownServer.ts";
import { until } from "./support.ts";

const binaries = await findServer("15", await serverUser()).catch(() => undefined);

(binaries ? test : test.skip)(
  "PostgreSQL 15, where it is installed, answers every question, and the plans in its own log",
  async () => {
    const server = await startOwnServer(
      {
        ...{ fsync: "off", shared_preload_libraries: "pg_stat_statements,auto_explain" },
        ...{ logging_collector: "on", log_destination: "stderr,csvlog", "auto_explain.log_min_duration": "0" },
      },
      { binaries: binaries! },
    );
    try {
      await withClient(server.connection, {}, async (client) => {
        await client.query("create extension pg_stat_statements");
        const { answers, server: asked } = await snapshot(client);
        expect(asked.versionNumber).toBeLessThan(160_000);
        expect(Object.entries(answers).filter(([, { unavailable }]) => unavailable)).toEqual([]);
        expect(answers.checkpoints!.rows).toMatchObject([{ writtenBySessions: expect.any(Number) }]);
        await client.query("create role watcher login password 'watches'; grant pg_monitor to watcher");
        const found = await until(async () => {
          const { answers } = await snapshot(client, { ask: [queryPlans], logs: [serverLog] });
          return answers["query-plans"]!.rows.length > 0 && answers["query-plans"];
        });
        expect(found.unavailable).toMatch(/^The plans tell what was expected, and not what happened: /);
      });
      const watcher = await connect({ ...server.connection, user: "watcher", password: "watches" });
      const read = () => readLog(watcher, [serverLog]);
      expect(await read()).toEqual({
        unavailable:
          "This role may not read the server's log: grant execute on function pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) to it.",
      });
      await withClient(server.connection, {}, async (client) => {
        await client.query(
          "grant execute on function pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) to watcher",
        );
        expect(await read()).toMatchObject({ format: "csvlog", text: expect.stringContaining("  plan:") });
        await watcher.end();
      });
    } finally {
      await server.remove();
    }
  },
);
