import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { withClient } from "../../../toolkit/connection.ts";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import * as remainder from "../../../toolkit/roles/remainder.ts";
import { makeRoles, newPlace, type Place, plainAdmin, removePlaces } from "./server.ts";

let place: Place;
const said: string[] = [];

// Migrated and filled by the server's administrator, who no longer does it once there are roles.
beforeAll(async () => {
  jest.spyOn(console, "log").mockImplementation((line) => void said.push(line));
  const filled = await newPlace("head");
  await filled.database.client.query(`
    insert into stocks (symbol, name) values ('X', 'x');
    create type mood as enum ('good');
    create function mood_of(int) returns mood language sql as $$ select 'good'::mood $$;
    create table "Odd ""Name" (id int generated always as identity)`);
  place = await makeRoles(filled, filled.database.connection);
}, 60_000);

afterAll(removePlaces);

test("what was there before the roles belongs to the owner, whatever it is", async () => {
  const { rows } = await place.database.client.query(
    `with place as (select oid, nspname from pg_namespace where nspname in ('public', 'packed', 'deploy'))
     select relname as name, relowner as owner from pg_class join place on place.oid = relnamespace
     where relkind not in ('i', 'I')
     union all select proname, proowner from pg_proc join place on place.oid = pronamespace
     union all select typname, typowner from pg_type join place on place.oid = typnamespace
     union all select n.nspname, nspowner from pg_namespace n join place using (oid) where n.nspname <> 'public'`,
  );
  expect(rows.length).toBeGreaterThan(50);
  const owner = Number(
    (await place.database.client.query("select $1::regrole::oid as oid", [`${place.prefix}_owner`])).rows[0].oid,
  );
  const others = rows.filter((row) => Number(row.owner) !== owner);
  expect(others).toEqual([]);
});

test("the application writes the rows that were there, who reads reads them, and neither changes which migrations have run", async () => {
  await withClient(place.as("application"), {}, async (client) => {
    expect((await client.query("update stocks set name = 'y' returning symbol")).rows).toEqual([{ symbol: "X" }]);
    await client.query("insert into stocks (symbol, name) values ('Y', 'y')");
    await client.query('insert into "Odd ""Name" default values');
    await expect(client.query("delete from pgmigrations")).rejects.toThrow("permission denied for table pgmigrations");
  });
  await withClient(place.as("readOnly"), {}, async (client) => {
    expect((await client.query("select symbol from stocks order by 1")).rows).toHaveLength(2);
    await client.query("select from packed.price_history");
    expect((await client.query("select from pgmigrations")).rowCount).toBeGreaterThan(0);
    await expect(client.query("delete from stocks")).rejects.toThrow("permission denied for table stocks");
  });
});

test("the migrator changes what was there, goes on where the administrator stopped, and finds no drift", async () => {
  await withClient(place.as("migrator"), {}, (client) =>
    client.query('drop function mood_of(int); drop type mood; drop table "Odd ""Name"'),
  );
  expect(await applyMigrations(place.as("migrator"), { directory: "migrations" })).toMatchObject({ ran: [] });
});

test("nothing is left to be done, and what others make as the administrator is handed over by the next run", async () => {
  const inputs = place.remainder;
  expect(await remainder.diff("", inputs, inputs)).toEqual({ changes: false });
  await place.database.client.query("create table by_hand (id int)");
  expect(await remainder.diff("", inputs, inputs)).toEqual({ changes: true });
  said.length = 0;
  await remainder.update("", inputs, inputs);
  expect(said).toEqual([`table public.by_hand: to ${place.prefix}_owner`]);
  expect(await remainder.diff("", inputs, inputs)).toEqual({ changes: false });
  await withClient(place.as("readOnly"), {}, (client) => client.query("select from by_hand"));
});

test("a lock_timeout that somebody changed by hand is set again", async () => {
  const inputs = place.remainder;
  await place.database.client.query(`alter role ${place.prefix}_application set lock_timeout to '1h'`);
  expect(await remainder.diff("", inputs, inputs)).toEqual({ changes: true });
  await remainder.update("", inputs, inputs);
  expect(await remainder.diff("", inputs, inputs)).toEqual({ changes: false });
});

test("a user who may neither make roles nor grant is refused before anything is made", async () => {
  const bare = await newPlace("empty");
  const admin = await plainAdmin(bare);
  await bare.database.client.query(`
    alter role ${admin.user} nocreaterole;
    alter database ${admin.database} owner to current_user`);
  const { failures } = await remainder.check({}, { ...place.remainder, connection: admin });
  const fix = "  fix: Connect as a user who may, or set database:roles to none and make the roles by hand.";
  expect(failures).toEqual([
    {
      property: "connection",
      reason: `${admin.user} may not make roles\n  why: It has neither CREATEROLE nor is it a superuser.\n${fix}`,
    },
    {
      property: "connection",
      reason: `${admin.user} may not grant privileges on the database ${admin.database}\n  why: It is not its owner, nor a member of the owner.\n${fix}`,
    },
  ]);
});
