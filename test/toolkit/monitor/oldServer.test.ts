import { expect, test } from "@jest/globals";
import { findServer } from "../../../toolkit/backup/programs.ts";
import { withClient } from "../../../toolkit/connection.ts";
import { snapshot } from "../../../toolkit/monitor/snapshot.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { startOwnServer } from "./ownServer.ts";

const binaries = await findServer("15", await serverUser()).catch(() => undefined);

(binaries ? test : test.skip)("PostgreSQL 15, where it is installed, answers every question", async () => {
  const server = await startOwnServer(
    { fsync: "off", shared_preload_libraries: "pg_stat_statements" },
    { binaries: binaries! },
  );
  try {
    await withClient(server.connection, {}, async (client) => {
      await client.query("create extension pg_stat_statements");
      const { answers, server: asked } = await snapshot(client);
      expect(asked.versionNumber).toBeLessThan(160_000);
      expect(Object.entries(answers).filter(([, { unavailable }]) => unavailable)).toEqual([]);
      expect(answers.checkpoints!.rows).toMatchObject([{ writtenBySessions: expect.any(Number) }]);
    });
  } finally {
    await server.remove();
  }
});
