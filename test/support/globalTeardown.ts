import { stopTestServer } from "./server.ts";

/** Jest runs this once, after the last test file, also when tests failed. */
export default async function globalTeardown(): Promise<void> {
  if (process.env.TEST_SERVER_FOLDER) await stopTestServer(process.env.TEST_SERVER_FOLDER);
}
