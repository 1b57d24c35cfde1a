import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { startTestServer } from "./server.ts";

/** Jest runs this once, before any test file: one throw-away PostgreSQL for the whole run. */
export default async function globalSetup(): Promise<void> {
  const server = await startTestServer(randomBytes(18).toString("base64url"));
  // Workers are started later and inherit the environment; globalTeardown runs in this process.
  process.env.TEST_DATABASE_URL = server.url;
  process.env.TEST_SERVER_FOLDER = server.folder;
  // Hundreds of processes of Node are started: what one has compiled, the next one need not.
  process.env.NODE_COMPILE_CACHE ??= resolve("node_modules/.cache/compiled");
}
