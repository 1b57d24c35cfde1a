import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "@jest/globals";
import type { MigrationBuilder } from "node-pg-migrate";
import * as packedPrices from "../../../migrations/0024_packed_prices.ts";
import * as summaries from "../../../migrations/0025_summaries_of_packed_prices.ts";
import { pack } from "../../../toolkit/compress/pack.ts";
import { unpack } from "../../../toolkit/compress/unpack.ts";
import { type Connection, connect, connectionString } from "../../../toolkit/connection.ts";
import type { TestDatabase } from "../../support/database.ts";
import { filled, olderThan, rowsOf } from "./support.ts";

const databases: TestDatabase[] = [];
afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.drop()));
});

async function made() {
  const database = await filled();
  databases.push(database);
  return database;
}

async function toolkit(connection: Connection, ...argv: string[]) {
  const { NODE_OPTIONS, ...env } = process.env;
  const child = spawn(process.execPath, ["toolkit/cli.ts", "compress", ...argv], {
    env: { ...env, DATABASE_URL: connectionString(connection), NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, code };
}

test("the command packs, tells the state, verifies and unpacks, in lines and in JSON", async () => {
  const { connection, client } = await made();
  const dry = await toolkit(connection, "pack", "--dry-run", "--json");
  expect({ ...JSON.parse(dry.stdout), cutoff: "", code: dry.code }).toEqual({
    cutoff: "",
    periods: ["2018-07-01", "2019-01-01", "2019-07-01", "2020-01-01", "2020-07-01"].map((period) => ({
      period,
      rows: null,
    })),
    tidied: false,
    code: 0,
  });
  expect((await client.query("select from packed.price_history_chunk")).rowCount).toBe(0);
  const packed = await toolkit(connection, "pack", "--older-than", olderThan);
  expect(packed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^2018-07-01 {2}\d+ rows\n(.+\n){4}$/) });
  const { rows } = await client.query("select sum(rows)::int as n from packed.price_history_chunk");
  const state = await toolkit(connection, "--json");
  expect(JSON.parse(state.stdout)).toMatchObject({ packed: { rows: rows[0].n, from: "2018-11-01" }, waiting: [] });
  const verified = await toolkit(connection, "verify");
  expect(verified).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("0 damaged, 0 rows both plain and packed"),
  });
  await client.query(
    "update packed.price_history_chunk set bits = set_bit(bits, 3, 1 - get_bit(bits, 3)) where stock_id = 1 and period = '2019-01-01'",
  );
  const damaged = await toolkit(connection, "verify");
  expect(damaged).toMatchObject({ code: 1, stdout: expect.stringContaining("damaged: 1 2019-01-01\n") });
  const dates = await toolkit(connection, "unpack", "--from", "2020-02-30");
  expect(dates).toEqual({
    code: 2,
    stdout: "",
    stderr: "error: --from 2020-02-30 is not a date\n  fix: Write it as YYYY-MM-DD.\n",
  });
  expect((await toolkit(connection, "unpack", "--from", "2020-07-01", "--json")).code).toBe(0);
  const dropped = await toolkit(connection, "drop", "--older-than", "1 year", "--dry-run");
  expect({ ...dropped, stdout: dropped.stdout.split("\n").slice(0, 2) }).toMatchObject({
    code: 0,
    stdout: ["price_history_2018_11  to be dropped", "price_history_2018_12  to be dropped"],
    stderr: expect.stringContaining("public.price_history: would drop price_history_2018_11, which is packed\n"),
  });
  expect((await toolkit(connection, "melt")).code).toBe(2);
}, 60_000);

test("the migration goes back when nothing is packed, and refuses while something is", async () => {
  const database = await made();
  const { client, connection } = database;
  const before = await rowsOf(database, "price_history");
  await pack(connection, { olderThan });
  await back(client, summaries);
  await expect(back(client, packedPrices)).rejects.toThrow("there are packed prices, which would be lost");
  await unpack(connection, {});
  await back(client, packedPrices);
  const { rows } = await client.query(
    "select to_regnamespace('packed') as schema, count(*)::int as triggers from pg_trigger where tgname = 'packed_row_replaced'",
  );
  expect(rows).toEqual([{ schema: null, triggers: 0 }]);
  expect(await rowsOf(database, "price_history")).toEqual(before);
}, 60_000);

async function back(client: TestDatabase["client"], migration: { down(pgm: MigrationBuilder): Promise<void> }) {
  const statements: string[] = [];
  await migration.down({ sql: (sql: string) => statements.push(sql) } as unknown as MigrationBuilder);
  for (const sql of statements) await client.query(sql);
}

test("a role that sees no snapshots of others still waits for them", async () => {
  const { client, connection } = await made();
  const role = `packer_${connection.database}`;
  const as = { ...connection, user: role, password: "packing" };
  await client.query(`
    create role ${role} login password 'packing';
    grant create on schema public, packed to ${role};
    grant references on stocks to ${role}; grant select on stocks to ${role};
    do $$ declare t text; begin
      for t in select oid::regclass::text from pg_class where relnamespace in ('packed'::regnamespace, 'public'::regnamespace)
                 and relkind in ('r', 'p', 'v') and (relname like 'price_history%' or relname like 'summary%') loop
        execute format('alter table %s owner to ${role}', t);
      end loop; end $$;
    grant usage on schema packed to ${role}`);
  const reader = await connect(connection);
  try {
    await reader.query("begin isolation level repeatable read; select 1 from stocks limit 1");
    const said: string[] = [];
    const packed = await pack(as, { olderThan, patience: 300, say: (line) => said.push(line) });
    expect({ tidied: packed.tidied, said }).toEqual({
      tidied: false,
      said: [
        "the emptied partitions stay for now: a transaction is open that began before the rows were packed; the next run removes them",
      ],
    });
    const { rows } = await reader.query(
      "select count(*)::int as n from packed.price_history where date < '2021-01-01'",
    );
    expect(rows[0].n).toBeGreaterThan(3000);
    await reader.query("commit");
    expect((await pack(as, { olderThan })).tidied).toBe(true);
  } finally {
    await reader.end();
    await client.query(`reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`);
  }
}, 60_000);
