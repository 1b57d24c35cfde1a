import pg from "pg";
import { type Connection, connect } from "../../connection.ts";
import type { MigrationFile } from "../files.ts";
import { fingerprint } from "../fingerprint.ts";
import { render, shorthandsUpTo } from "../render.ts";
import { runAlone } from "./alone.ts";

/** A database that has the schema which some migrations make, and no data. */
export interface Clone {
  connection: Connection;
  client: pg.Client;
  /** Of its schema. */
  fingerprint: string;
}

/**
 * Makes a database on a scratch server by running the SQL of applied migrations.
 * @param files the whole folder
 * @param applied names, in the order in which they ran
 * @throws pg.DatabaseError when one of them does not run on an empty database of this server
 */
export async function makeClone(
  server: Connection,
  files: readonly MigrationFile[],
  applied: readonly string[],
): Promise<Clone> {
  const connection = { ...server, database: "clone" };
  const admin = await connect(server, { applicationName: "postgres-from-code clone" });
  try {
    await admin.query(`create database ${pg.escapeIdentifier(connection.database)} template template0`);
  } finally {
    await admin.end();
  }
  const client = await connect(connection, { applicationName: "postgres-from-code clone" });
  try {
    const byName = new Map(files.map((file) => [file.name, file]));
    for (const name of applied) await replay(client, files, byName.get(name)!);
    return { connection, client, fingerprint: await fingerprint(client) };
  } catch (error) {
    await client.end();
    throw error;
  }
}

async function replay(client: pg.Client, files: readonly MigrationFile[], migration: MigrationFile): Promise<void> {
  const { statements, transactional } = await render(migration, "up", shorthandsUpTo(files, migration.name));
  await client.query("reset session authorization; reset all; set search_path to public");
  const texts = statements.map(({ text }) => text);
  // One text with several statements is one transaction.
  if (transactional) await client.query(texts.join(";\n"));
  else for (const text of texts) await runAlone(client, text, (sql) => client.query(sql));
}
