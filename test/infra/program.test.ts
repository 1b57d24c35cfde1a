import { expect, test } from "@jest/globals";
import { register } from "./mocks.ts";

test("an embedded stack is a server, then its schema, then its prices", async () => {
  const { types, inputsOf } = await register({ "database:server": "embedded", "database:sampleData": "true" });
  expect(types).toEqual(["EmbeddedServer", "Migrations", "SampleData"]);
  expect(inputsOf("EmbeddedServer")).toMatchObject({
    directory: ".local/test",
    port: 54320,
    database: "investment",
    finalBackup: true,
    settings: { random_page_cost: "1.1" },
  });
});

test("an external stack adopts its server and brings no data and no cloud of its own", async () => {
  const { types, outputs } = await register({
    "database:server": "external",
    "database:url": "postgres://u:geheim@db.example.com/shop",
  });
  expect(types).toEqual(["ExternalServer", "Migrations"]);
  expect(outputs).not.toHaveProperty("replicas");
});
