import type pg from "pg";
import { connect } from "../../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { untilWaiting } from "../monitor/support.ts";

/** A name that a page takes for a picture with a script, and a terminal for a colour. */
export const hostileName = "<img src=x onerror=alert(1)>\u001b[31m&";

/** A database in which two sessions wait for a third, and a sequence nears its end. */
export interface Ill extends TestDatabase {
  /** The session that the others wait for. */
  culprit: number;
  cure(): Promise<void>;
}

/** Makes such a database, with some tables, one of which has a hostile name. */
export async function makeIll(): Promise<Ill> {
  const database = await createDatabase();
  const name = `"${hostileName}"`;
  await database.client.query(`
    create table ${name} (id int primary key, note text);
    create index "${hostileName} twice" on ${name} (note);
    create index "${hostileName} again" on ${name} (note);
    insert into ${name} select n, 'x' from generate_series(1, 2000) n;
    create table months (at date) partition by range (at);
    create table months_1 partition of months for values from ('2020-01-01') to ('2020-02-01');
    create sequence narrow as smallint;
    select setval('narrow', 32000)`);
  await database.client.query("vacuum analyze");
  await database.client.query(`delete from ${name} where id > 1500`);
  await database.client.query("select pg_stat_force_next_flush()");
  const open = (applicationName: string) => connect(database.connection, { applicationName });
  const [holder, first, second] = [await open("billing"), await open("web"), await open(hostileName)];
  const update = (client: pg.Client) => client.query(`update ${name} set note = 'hunter2' where id = 1`);
  await holder.query("begin");
  const { rows } = await holder.query<{ pid: number }>("select pg_backend_pid() as pid");
  await update(holder);
  // They are cut off at the end.
  const waiting = [first, second].map((client) => update(client).catch(() => {}));
  await untilWaiting(database.client, 2);
  return {
    ...database,
    culprit: rows[0]!.pid,
    async cure() {
      await holder.end();
      await Promise.all(waiting);
      await Promise.all([first.end(), second.end()]);
      await database.drop();
    },
  };
}
