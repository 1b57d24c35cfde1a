import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { loggedPlans } from "../../../toolkit/monitor/plans/entries.ts";
import { rdsLog } from "../../../toolkit/monitor/plans/rdsLog.ts";

// moto knows no contents of logs: this speaks as AWS does.
let server: Server;
let endpoint: string;
let answer: (action: string, file: string | null) => { status: number; body: string };
const client = { query: () => Promise.reject(new Error("not by SQL")) } as never;

beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" });
  server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    const asked = new URLSearchParams(text);
    const { status, body } = answer(asked.get("Action")!, asked.get("LogFileName"));
    response.writeHead(status, { "content-type": "text/xml" }).end(body);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise<unknown>((done) => server.close(done)));

const read = () => rdsLog({ kind: "rds", instanceIdentifier: "prod", region: "eu-central-1", endpoint })(client);

test("the two newest files of an RDS instance are read, as CSV where there is some", async () => {
  const csv = await readFile(join(import.meta.dirname, "logs/postgresql-15.csv"), "utf8");
  const file = (name: string, written: number) =>
    `<DescribeDBLogFilesDetails><LogFileName>error/${name}</LogFileName><LastWritten>${written}</LastWritten><Size>900</Size></DescribeDBLogFilesDetails>`;
  const files = [file("postgresql.log.09", 9), file("postgresql.log.07.csv", 7), file("postgresql.log.08.csv", 8)];
  const asked: (string | null)[] = [];
  answer = (action, name) => {
    asked.push(name);
    const inside =
      action === "DescribeDBLogFiles"
        ? `<DescribeDBLogFiles>${files.join("")}</DescribeDBLogFiles>`
        : `<LogFileData>${csv.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</LogFileData>`;
    return { status: 200, body: `<${action}Response><${action}Result>${inside}</${action}Result></${action}Response>` };
  };
  const found = await read();
  if ("unavailable" in found) throw new Error(found.unavailable);
  expect(asked).toEqual([null, "error/postgresql.log.07.csv", "error/postgresql.log.08.csv"]);
  expect(loggedPlans(found, "")).toHaveLength(4);
});

test("what AWS refuses is a note that says what to allow", async () => {
  const body =
    "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you.</Message></Error></ErrorResponse>";
  answer = () => ({ status: 403, body });
  expect(await read()).toEqual({
    unavailable:
      "AWS does not give the log of prod in eu-central-1: not you; allow rds:DescribeDBLogFiles and rds:DownloadDBLogFilePortion.",
  });
});
