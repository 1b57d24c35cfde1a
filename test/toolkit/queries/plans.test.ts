import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type AnyQuery, queries } from "../../../toolkit/queries/index.ts";
import { sampleOptions, statementOf } from "../../../toolkit/queries/query.ts";
import type { TestDatabase } from "../../support/database.ts";
import { millionPrices } from "./million.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await millionPrices();
}, 120_000);
afterAll(() => database?.drop());

interface Node {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Loops": number;
  "Sort Space Type"?: string;
  "Temp Written Blocks": number;
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  Plans?: Node[];
}

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/** What the plan of a query read, by what was really carried out. */
async function seen(query: AnyQuery, mode: "force_custom_plan" | "force_generic_plan") {
  const { client } = database;
  const options = await sampleOptions(client, query);
  const { text, values } = statementOf(query, options!);
  const literals = values.map((value) =>
    value === null || value === undefined
      ? "null"
      : client.escapeLiteral(Array.isArray(value) ? `{${value.join(",")}}` : String(value)),
  );
  await client.query(`set plan_cache_mode = ${mode}; deallocate all`);
  await client.query(`prepare looked_at as ${text}`);
  const { rows } = await client.query(
    `explain (analyze, buffers, format json) execute looked_at ${literals.length > 0 ? `(${literals.join(", ")})` : ""}`,
  );
  const root: Node = rows[0]["QUERY PLAN"][0].Plan;
  const executed = nodesOf(root).filter((node) => node["Actual Loops"] > 0);
  const names = (key: "Index Name" | "Relation Name") => [...new Set(executed.flatMap((node) => node[key] ?? []))];
  const { rows: indexes } = await client.query(
    `select distinct coalesce(pg_partition_root(name::regclass), name::regclass)::text as root
     from unnest($1::text[]) as name`,
    [names("Index Name")],
  );
  const { rows: partitions } = await client.query(
    `select coalesce(max(number), 0)::int as most
     from (select count(*) as number from unnest($1::text[]) as name
           join pg_inherits on inhrelid = name::regclass group by inhparent) as counted`,
    [names("Relation Name")],
  );
  const scanned = executed.filter((node) => node["Node Type"] === "Seq Scan").flatMap((node) => node["Relation Name"]!);
  const { rows: large } = await client.query(
    "select name from unnest($1::text[]) as name where pg_relation_size(name::regclass) > 100 * 8192",
    [scanned],
  );
  return {
    indexes: indexes.map(({ root: name }) => name as string),
    partitions: partitions[0].most as number,
    buffers: root["Shared Hit Blocks"] + root["Shared Read Blocks"],
    scanned: large.map(({ name }) => name),
    onDisk: executed.some((node) => node["Sort Space Type"] === "Disk") || root["Temp Written Blocks"] > 0,
  };
}

test("the tables hold a million prices in 180 partitions", async () => {
  const { rows } = await database.client.query(`
    select count(*)::int as prices, (select count(*)::int from pg_inherits where inhparent = 'price_history'::regclass) as months
    from price_history`);
  expect(rows[0].prices).toBeGreaterThan(950_000);
  expect(rows[0].months).toBeGreaterThanOrEqual(180);
});

for (const mode of ["force_custom_plan", "force_generic_plan"] as const)
  test.each(queries.map((query) => [query.name, query] as const))(
    `%s reads what it says, with ${mode}`,
    async (_, query) => {
      const { indexes, partitions, buffers, scanned, onDisk } = await seen(query, mode);
      expect(indexes).toEqual(expect.arrayContaining([...query.expectation.indexes]));
      expect({ scanned, onDisk }).toEqual({ scanned: [], onDisk: false });
      expect(partitions).toBeLessThanOrEqual(query.expectation.partitions);
      expect(buffers).toBeLessThanOrEqual(query.expectation.buffers);
    },
  );
