import { advise } from "../toolkit/advise/advise.ts";
import { measure } from "../toolkit/advise/measure.ts";
import { recordWorkload, type Statement } from "../toolkit/advise/workload.ts";
import { type Connection, withClient } from "../toolkit/connection.ts";
import { readMigrations } from "../toolkit/migrate/files.ts";
import { render } from "../toolkit/migrate/render.ts";
import { say } from "../toolkit/terminal.ts";
import { loadMarket, sizesFor } from "./headline/load.ts";
import { workload } from "./headline/workload.ts";
import type { BenchOptions, Measured } from "./index.ts";
import { startBenchServer } from "./server.ts";

/** The workload with one set of indexes. */
export interface Contender {
  name: string;
  /** Milliseconds of all calls; and the geometric mean of a call's. */
  total: number;
  mean: number;
  bytes: number;
}

/** One measurement of the workload. */
interface Round {
  /** Milliseconds a call, by statement. */
  times: number[];
  bytes: number;
}

const defaultRows = 1_000_000;
const samples = 200_000;
const rounds = 3;
const handMade = /^00(0[2-9]|1[0-5])_/;

/** The advice for the application's workload on the schema that it had, against the indexes that people chose. */
export async function bench({ rows = defaultRows }: BenchOptions): Promise<Measured> {
  const server = await startBenchServer({ embedded: true });
  try {
    const connection = { ...server.connection, database: "before" };
    await withClient(server.connection, {}, (client) => client.query("create database before"));
    await apply(connection, /^0001_/);
    await loadMarket(connection, sizesFor(rows));
    const statements = await record(connection);
    say(`  ${statements.length} statements recorded`);
    const hand = (await readMigrations("migrations")).filter(({ name }) => handMade.test(name));
    const texts = await Promise.all(hand.map((file) => render(file, "up")));
    const handMadeIndexes = texts.flatMap((each) => each.statements.map(({ text }) => text));
    const { bytes: budget } = await contend("hand-made", connection, statements, handMadeIndexes);
    const advice = await advise(connection, statements, { samples, budget });
    const created = advice.indexes.map(({ name, definition }) => `create index ${name} on ${definition}`);
    const sets = Object.entries({ "no indexes": [], "hand-made": handMadeIndexes, advised: created });
    const measured: Round[][] = sets.map(() => []);
    // In turns, and the quickest of each statement: whatever else the machine does only makes it longer.
    for (let round = 0; round < rounds; round++)
      for (const [at, [name, create]] of sets.entries())
        measured[at]!.push(await contend(name, connection, statements, create));
    const contenders = sets.map(([name], at) => contenderOf(name, statements, measured[at]!));
    const [, made, advised] = contenders as [Contender, Contender, Contender];
    const result = {
      ...{ rows, server: server.version, statements: statements.length, contenders, created, notes: advice.notes },
      ...{ model: advice.model, speed: made.total / advised.total, meanSpeed: made.mean / advised.mean },
      bytes: advised.bytes / made.bytes,
    };
    return {
      result,
      lines: [
        ...linesOf(contenders),
        `  speed against hand-made: ${result.speed.toFixed(2)} by time, ${result.meanSpeed.toFixed(2)} by the geometric mean; bytes: ${result.bytes.toFixed(2)}`,
        ...created,
      ],
    };
  } finally {
    await server.stop();
  }
}

async function apply(connection: Connection, names: RegExp): Promise<void> {
  const files = (await readMigrations("migrations")).filter(({ name }) => names.test(name));
  await withClient(connection, {}, async (client) => {
    for (const file of files) for (const { text } of (await render(file, "up")).statements) await client.query(text);
  });
}

/** The application's statements, as it sends them. */
async function record(connection: Connection): Promise<Statement[]> {
  return withClient(connection, {}, async (client) => {
    const recorder = recordWorkload(client);
    for (const request of await workload(client)) await request.before(recorder as unknown as typeof client);
    return recorder.statements();
  });
}

/** Makes indexes, measures every statement, and drops them again. */
async function contend(
  name: string,
  connection: Connection,
  statements: readonly Statement[],
  create: readonly string[],
): Promise<Round> {
  return withClient(connection, {}, async (client) => {
    const indexes = "select indexrelid from pg_index where indrelid >= 16384";
    const before = (await client.query({ text: indexes, rowMode: "array" })).rows.flat();
    say(`  measuring: ${name}`);
    for (const text of create) await client.query(text);
    await client.query("vacuum (analyze)");
    const times: number[] = [];
    for (const statement of statements) times.push((await measure(client, statement)).ms);
    const { rows } = await client.query(
      `select coalesce(sum(pg_relation_size(indexrelid)), 0)::float8 as bytes, array_agg(indexrelid::regclass::text) as names
       from (${indexes}) i where indexrelid <> all ($1::oid[])`,
      [before],
    );
    for (const index of rows[0].names ?? []) await client.query(`drop index ${index}`);
    return { times, bytes: rows[0].bytes };
  });
}

function contenderOf(name: string, statements: readonly Statement[], measured: readonly Round[]): Contender {
  const times = statements.map((_, at) => Math.min(...measured.map((round) => round.times[at]!)));
  const calls = statements.reduce((sum, each) => sum + each.calls, 0);
  const total = statements.reduce((sum, each, at) => sum + each.calls * times[at]!, 0);
  const logs = statements.reduce((sum, each, at) => sum + each.calls * Math.log(times[at]!), 0);
  return { name, total, mean: Math.exp(logs / calls), bytes: measured[0]!.bytes };
}

function linesOf(contenders: readonly Contender[]): string[] {
  return [
    "  indexes          workload   a call (geometric mean)      size",
    ...contenders.map(
      ({ name, total, mean, bytes }) =>
        `  ${name.padEnd(12)} ${total.toFixed(0).padStart(9)} ms ${mean.toFixed(3).padStart(22)} ms ${(bytes / 2 ** 20).toFixed(1).padStart(9)} MB`,
    ),
  ];
}
