import pg from "pg";
import { type Connection, clientConfig } from "../toolkit/connection.ts";
import { createPool } from "../toolkit/pool/pool.ts";
import type { BenchOptions, Measured } from "./index.ts";
import { startBenchServer } from "./server.ts";

type Ask = () => Promise<unknown>;

// Both in turn, in slices so short that whatever else the machine does falls on both.
const [slices, milliseconds] = [40, 150];
const callerCounts = [1, 8];
const connections = 15;
const statement = "select 1";

/** Statements a second through our pool, with its defaults, and through `pg`'s own. */
export async function bench(_options: BenchOptions): Promise<Measured> {
  const server = await startBenchServer({ embedded: true });
  try {
    const results = await compare(server.connection);
    return {
      result: { postgres: server.version, results },
      lines: results.map(
        ({ callers, ours, theirs, ratio }) =>
          `${callers} ${callers === 1 ? "caller" : "callers"}: ${ours} statements a second, pg.Pool ${theirs}: ${ratio.toFixed(2)} times`,
      ),
    };
  } finally {
    await server.stop();
  }
}

async function compare(connection: Connection) {
  const [ours, theirs] = [
    createPool(connection, { max: connections }),
    new pg.Pool({ ...clientConfig(connection), max: connections }),
  ];
  try {
    await ours.ready();
    const results = [];
    for (const callers of callerCounts)
      results.push({
        callers,
        ...(await race(
          () => ours.query(statement),
          () => theirs.query(statement),
          callers,
        )),
      });
    return results;
  } finally {
    await Promise.all([ours.end(), theirs.end()]);
  }
}

/** Two ways to ask, in turn. The ratio is the median of those of the pairs: a slice that was disturbed is no median. */
async function race(one: Ask, other: Ask, callers: number) {
  for (const ask of [one, other]) await rate(ask, callers);
  const pairs: [ours: number, theirs: number][] = [];
  for (let slice = 0; slice < slices; slice++) {
    const [first, second] = slice % 2 === 0 ? [one, other] : [other, one];
    const rates = [await rate(first, callers), await rate(second, callers)];
    pairs.push((slice % 2 === 0 ? rates : rates.reverse()) as [number, number]);
  }
  return {
    ours: Math.round(median(pairs.map(([rate]) => rate))),
    theirs: Math.round(median(pairs.map(([, rate]) => rate))),
    ratio: median(pairs.map(([ours, theirs]) => ours / theirs)),
  };
}

/** Statements a second, each caller one after the other. */
async function rate(ask: Ask, callers: number): Promise<number> {
  const started = performance.now();
  let count = 0;
  const call = async () => {
    for (; performance.now() - started < milliseconds; count++) await ask();
  };
  await Promise.all(Array.from({ length: callers }, call));
  return (1000 * count) / (performance.now() - started);
}

function median(values: number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;
}
