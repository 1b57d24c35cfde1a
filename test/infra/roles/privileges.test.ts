import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import type pg from "pg";
import { type Connection, connect } from "../../../toolkit/connection.ts";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { type Login, makeRoles, newPlace, type Place, plainAdmin, removePlaces } from "./server.ts";

const logins: Login[] = ["migrator", "application", "readOnly", "monitor"];

let place: Place;
const sessions = {} as Record<Login, pg.Client>;

// As on RDS: nobody is a superuser. PostgreSQL 16 and later are strict with who only makes roles.
beforeAll(async () => {
  jest.spyOn(console, "log").mockImplementation(() => {});
  const bare = await newPlace("empty");
  place = await makeRoles(bare, await plainAdmin(bare));
  await applyMigrations(place.as("migrator"), { directory: "migrations" });
  await bare.database.client.query("insert into stocks (symbol, name) values ('KEPT', 'kept')");
  for (const role of logins) sessions[role] = await connect(place.as(role), { applicationName: role });
}, 60_000);

afterAll(async () => {
  for (const session of Object.values(sessions)) await session.end();
  await removePlaces();
});

/** "yes", or "no" where a privilege is missing; undone in any case. Every other error is the test's own. */
async function may(role: Login, sql: string): Promise<"yes" | "no"> {
  const session = sessions[role];
  await session.query("begin");
  try {
    await session.query(sql);
    return "yes";
  } catch (error) {
    if ((error as pg.DatabaseError).code === "42501") return "no";
    throw error;
  } finally {
    await session.query("rollback");
  }
}

async function answers(sql: string): Promise<string> {
  const found: string[] = [];
  for (const role of logins) found.push(await may(role, sql));
  return found.join(" ");
}

test.each([
  // What                           migrator, application, readOnly, monitor
  ["select from stocks", "yes yes yes no"],
  ["select from daily_market_summary", "yes yes yes no"],
  ["insert into stocks (symbol, name) values ('X', 'x')", "yes yes no no"],
  ["insert into price_history (stock_id, date, close) select id, current_date, 1 from stocks limit 1", "yes yes no no"],
  ["select from packed.price_history", "yes yes yes no"],
  ["update stocks set name = 'y'", "yes yes no no"],
  ["delete from stocks", "yes yes no no"],
  ["select nextval('stocks_id_seq')", "yes yes no no"],
  ["truncate watchlist_items", "yes no no no"],
  ["create table mine (id int)", "yes no no no"],
  ["create schema mine", "yes no no no"],
  ["create index on stocks (name)", "yes no no no"],
  ["alter table stocks add mine int", "yes no no no"],
  ["drop table watchlist_items", "yes no no no"],
  ["select refresh_weekly_price_summary()", "yes yes no no"],
  ["create temporary table mine (id int)", "yes yes no no"],
  ["select from pgmigrations", "yes yes yes no"],
  ["insert into pgmigrations (name, run_on) values ('x', now())", "yes no no no"],
  ["delete from pgmigrations", "yes no no no"],
  ["select from deploy.migration", "yes no no no"],
  ["create role mine", "no no no no"],
  ["select pg_read_file('postgresql.conf')", "no no no no"],
])("%s: %s", async (sql, expected) => {
  expect(await answers(sql)).toBe(expected);
});

test("the monitor and the migrator see the sessions of others, who only reads does not", async () => {
  const watched = await connect(place.as("application"), { applicationName: "watched" });
  const seen: (string | null)[] = [];
  for (const role of ["monitor", "migrator", "readOnly"] as const) {
    const found = await sessions[role].query("select state from pg_stat_activity where application_name = 'watched'");
    // Of another's session nothing is told, not even its name.
    seen.push(found.rows[0]?.state ?? "hidden");
  }
  await watched.end();
  expect(seen).toEqual(["idle", "idle", "hidden"]);
});

test("what the migrator makes later belongs to the owner, and the others have of it what they have of the rest", async () => {
  await sessions.migrator.query("create table later (id int generated always as identity, note text)");
  const { rows } = await sessions.migrator.query("select tableowner from pg_tables where tablename = 'later'");
  expect(rows).toEqual([{ tableowner: `${place.prefix}_owner` }]);
  expect(await answers("insert into later (note) values ('x')")).toBe("yes yes no no");
  expect(await answers("select from later")).toBe("yes yes yes no");
});

test.each<[Login, string]>([
  ["migrator", "0 5s 10min"],
  ["application", "30s 5s 1min"],
  ["readOnly", "5min 0 1min"],
  ["monitor", "10s 1s 10s"],
])("the timeouts of %s are in effect: %s", async (role, expected) => {
  const { rows } = await sessions[role].query(
    `select concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'),
                      current_setting('idle_in_transaction_session_timeout')) as shown`,
  );
  expect(rows).toEqual([{ shown: expected }]);
});

const refusal = async (connection: Connection) =>
  connect(connection).then(
    (client) => client.end().then(() => "let in"),
    (error: Error) => error.message.split("\n")[1],
  );

test("a role's sessions are limited, by the configuration where it says so", async () => {
  const second = await connect(place.as("monitor"));
  expect(await refusal(place.as("monitor"))).toBe(`  why: too many connections for role "${place.prefix}_monitor"`);
  await second.end();
});

test("nobody logs in as the owner", async () => {
  const owner = `${place.prefix}_owner`;
  expect(await refusal({ ...place.as("migrator"), user: owner })).toMatch(
    /authentication failed|not permitted to log in/,
  );
  expect(await may("application", `set role ${owner}`)).toBe("no");
});

test("a user of the server who has none of the roles connects, and does nothing", async () => {
  const user = `${place.prefix}_stranger`;
  await place.database.client.query(`create role ${user} login password 'geheim'`);
  const stranger = await connect({ ...place.admin, user, password: "geheim" });
  for (const sql of ["select from stocks", "create table mine (id int)", "create temporary table mine (id int)"])
    await expect(stranger.query(sql)).rejects.toThrow("permission denied");
  await stranger.end();
});

test("the admin keeps nothing of the owner's for itself", async () => {
  const admin = await connect(place.admin);
  await expect(admin.query("select from stocks")).rejects.toThrow("permission denied");
  await admin.end();
});
