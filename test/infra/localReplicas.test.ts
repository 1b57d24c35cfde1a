import { expect, test } from "@jest/globals";
import * as pulumi from "@pulumi/pulumi";
import { loadConfig } from "../../infra/config.ts";
import { register } from "./mocks.ts";

const replicas = (...given: object[]) => ({ "database:replicas": JSON.stringify(given) });

function mistakesOf(values: Record<string, string>): string[] {
  try {
    loadConfig(values);
  } catch (error) {
    expect(error).toBeInstanceOf(pulumi.RunError);
    return (error as Error).message.split("\n").slice(1);
  }
  return [];
}

test("replicas of an embedded server listen after it, and are told in the form of RDS's", async () => {
  const { inputsOf, outputs } = await register(replicas({ name: "reader" }, { name: "reports", weight: 3 }));
  const expected = [
    { name: "reader", endpoint: "127.0.0.1:54321", region: "local", weight: 1, promotionTier: 1 },
    { name: "reports", endpoint: "127.0.0.1:54322", region: "local", weight: 3, promotionTier: 1 },
  ];
  expect(inputsOf("EmbeddedServer")).toMatchObject({
    replicas: expected,
    settings: { max_slot_wal_keep_size: "4GB" },
  });
  const told = await new Promise(
    (resolve) => void pulumi.output(outputs.replicas as pulumi.Output<object[]>).apply(resolve),
  );
  expect(told).toEqual(expected);
});

test("an embedded server without replicas keeps no log for them", async () => {
  const { inputsOf, outputs } = await register({});
  expect(inputsOf("EmbeddedServer").settings).not.toHaveProperty("max_slot_wal_keep_size");
  expect(outputs).not.toHaveProperty("replicas");
});

test("what a replica on this machine cannot have is refused", () => {
  const long = "a".repeat(50);
  expect(mistakesOf(replicas({ name: "far", region: "eu-west-1" }, { name: "big", class: "db.r7g.xlarge" }))).toEqual([
    "  database:replicas = far: a replica on this machine has a name, a weight and a promotionTier only; remove the rest of it",
    "  database:replicas = big: a replica on this machine has a name, a weight and a promotionTier only; remove the rest of it",
  ]);
  expect(mistakesOf(replicas({ name: long }))).toEqual([
    `  database:replicas = ${long}: its name is too long; give it at most 49 characters`,
  ]);
  expect(mistakesOf(replicas(...[..."abcdefghi"].map((name) => ({ name }))))).toEqual([
    "  database:replicas = 9: an embedded server has at most 8; remove some",
  ]);
  expect(mistakesOf({ ...replicas({ name: "reader" }), "database:port": "65535" })).toEqual([
    "  database:replicas = 1: they listen on the ports after 65535, and those end at 65535; lower port",
  ]);
  const external = { "database:server": "external", "database:url": "postgres://u:geheim@db.example.com/shop" };
  expect(mistakesOf({ ...replicas({ name: "reader" }), ...external })).toEqual([
    "  database:replicas = 1: nothing is made at an external server; remove it",
  ]);
});
