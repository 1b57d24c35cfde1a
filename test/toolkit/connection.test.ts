import { createServer } from "node:net";
import { expect, test } from "@jest/globals";
import { connect, connectionString, parseConnectionString } from "../../toolkit/connection.ts";

const connection = { host: "127.0.0.1", port: 5432, database: "shop", user: "me", password: "p@ss/w:rd" };

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => Promise.reject(new Error("it was accepted")),
    (error: Error) => error.message,
  );
}

test("a URL survives the way there and back, whatever is in the password", () => {
  expect(parseConnectionString(connectionString(connection))).toEqual(connection);
});

test("the URL of a server on RDS says that it is verified, and finds Amazon's bundle again", () => {
  const onRds = { ...connection, host: "db.abc.eu-central-1.rds.amazonaws.com", ssl: "rds" as const };
  expect(connectionString(onRds)).toMatch(/\?sslmode=verify-full$/);
  expect(parseConnectionString(connectionString(onRds))).toEqual(onRds);
});

test("the URL of a server whose certificate nobody checks does not come back as one that is", () => {
  const unchecked = { ...connection, host: "db.example.com", ssl: { rejectUnauthorized: false } };
  expect(parseConnectionString(connectionString(unchecked))).toEqual(unchecked);
});

test.each([
  ["postgres://me@host", { port: 5432, database: "me", password: "" }],
  ["postgresql://me:x@[::1]:6000/d", { host: "::1", port: 6000 }],
  ["postgres://me@host/d?sslmode=disable", { ssl: false }],
  ["postgres://me@host/d?sslmode=require", { ssl: { rejectUnauthorized: false } }],
  ["postgres://me@host/d?sslmode=verify-full", { ssl: { rejectUnauthorized: true } }],
  ["postgres://me@db.abc.eu-central-1.rds.amazonaws.com/d", { ssl: "rds" }],
  ["postgres://me@db.abc.cn-north-1.rds.amazonaws.com.cn/d?sslmode=verify-ca", { ssl: "rds" }],
  ["postgres://me@db.abc.eu-central-1.rds.amazonaws.com/d?sslmode=require", { ssl: { rejectUnauthorized: false } }],
  ["postgres://me@rds.amazonaws.com.example.com/d?sslmode=verify-full", { ssl: { rejectUnauthorized: true } }],
])("%s is understood", (url, expected) => {
  expect(parseConnectionString(url)).toMatchObject(expected);
});

test.each([
  ["nonsense-geheim", /not a URL/],
  ["mysql://me:geheim@host/d", /not postgres:/],
  ["postgres://host/d", /lacks a host or a user/],
  ["postgres://me:geheim@host/d?sslmode=prefer", /sslmode=prefer .* not supported/],
])("%s is refused without repeating it", (url, reason) => {
  let message = "";
  try {
    parseConnectionString(url);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toMatch(reason);
  expect(message).not.toContain("geheim");
});

test("a server that is not there is named, with what to do and without the password", async () => {
  const message = await failure(connect({ ...connection, port: 1 }));
  expect(message).toMatch(/cannot connect to 127\.0\.0\.1:1\/shop as me: no PostgreSQL answers/);
  expect(message).toMatch(/fix: Start the server/);
  expect(message).not.toContain(connection.password);
});

test("a server that accepts and then says nothing does not hang the caller", async () => {
  const silent = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port } = silent.address() as { port: number };
  const message = await failure(connect({ ...connection, port }, { connectTimeout: 300 }));
  silent.close();
  expect(message).toMatch(/does not answer in time/);
});
