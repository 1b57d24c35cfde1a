import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type BenchServer, startBenchServer } from "../../../bench/server.ts";
import { advise } from "../../../toolkit/advise/advise.ts";
import { countedWorkload } from "../../../toolkit/advise/counted.ts";
import { connect } from "../../../toolkit/connection.ts";

// The embedded server has no extensions; Debian's is used where it and its packages are installed.
const extensions = "/usr/share/postgresql/15/extension";
const installed = ["pg_partman", "pg_stat_statements", "hypopg"].every((name) =>
  existsSync(`${extensions}/${name}.control`),
);

(installed ? describe : describe.skip)("on a server with pg_stat_statements and hypopg", () => {
  let server: BenchServer;
  beforeAll(async () => {
    server = await startBenchServer({
      settings: { shared_preload_libraries: "pg_stat_statements", shared_buffers: "32MB" },
    });
  }, 30_000);
  afterAll(() => server.stop());

  test("the counted statements get likely values, and only what hypopg finds likely is built", async () => {
    const client = await connect(server.connection);
    try {
      await client.query(`
        create extension pg_stat_statements; create extension hypopg;
        create schema "Odd One";
        create table "Odd One"."Big Table" (id int primary key, "user" text, "group" int, at date);
        insert into "Odd One"."Big Table"
          select n, case when n % 3 = 0 then 'busy' else 'u' || n end, n % 10, date '2020-01-01' + n / 50 from generate_series(1, 30000) n`);
      await client.query("vacuum (analyze)");
      await client.query("select pg_stat_statements_reset()");
      const big = `"Odd One"."Big Table"`;
      for (let n = 0; n < 3; n++) {
        await client.query(`select * from ${big} where at = $1 and "group" > 5`, ["2020-05-05"]);
        await client.query(`select id from ${big} where "user" = any ($1) limit 7`, [["u1"]]);
        await client.query(`insert into ${big} values ($1, 'new', 1, '2030-01-01')`, [50_000 + n]);
        await client.query("select now() - interval '1 day'");
      }
      const workload = await countedWorkload(client);
      expect(workload.toSorted((a, b) => a.text.localeCompare(b.text))).toEqual([
        { text: expect.stringMatching(/^insert/), values: ["1", "", "1", expect.any(String)], calls: 3 },
        {
          text: expect.stringMatching(/^select \* .* at = \$1/),
          values: [expect.stringMatching(/^20/), expect.any(String)],
          calls: 3,
        },
        { text: expect.stringMatching(/^select id/), values: ['{"busy"}', "100"], calls: 3 },
      ]);
      const advice = await advise(server.connection, workload, { samples: 50_000 });
      expect(advice.indexes.map(({ name, definition }) => ({ name, definition }))).toEqual([
        {
          name: expect.stringMatching(/^big_table_at/),
          definition: expect.stringMatching(/^"Odd One"\."Big Table" \(at/),
        },
      ]);
      expect(advice.hypopg).toBe(true);
      expect(advice.skipped.map(({ why }) => why)).toEqual([
        "on the copy: its rows are there already; it counts by what a row costs",
      ]);
    } finally {
      await client.end();
    }
  }, 30_000);
});
