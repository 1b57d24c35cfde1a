import { execFile } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "@jest/globals";
import { connectionString } from "../../../toolkit/connection.ts";
import { createPriceDatabase } from "./tables.ts";

// Fifty batches, each a twelfth of the default size, so that what is kept of each adds up soon.
const [symbols, days, batchSize] = [200, 1_000, 4_000];

// Megabytes. V8 clears its heap late where there is room, so the heap is given a limit: 20 MB were enough, for this file
// and for one of half its size, and a loader that kept its batches ended with "heap out of memory" at 38, too. The
// resident set adds Node itself, the young generation, and the blocks that are read and copied: 180 MB were measured.
const [heapLimit, residentLimit] = [28, 300];

test("two hundred thousand rows are loaded in the memory of a few batches", async () => {
  const folder = mkdtempSync(join(tmpdir(), "memory-"));
  const database = await createPriceDatabase("partitioned");
  try {
    const path = join(folder, "prices.csv");
    await writePrices(path);
    const { NODE_OPTIONS, ...env } = process.env;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [`--max-old-space-size=${heapLimit}`, "--input-type=module-typescript", "-e", loading(path)],
      { env: { ...env, DATABASE_URL: connectionString(database.connection) } },
    );
    const { result, resident } = JSON.parse(stdout);
    expect(result).toMatchObject({ lines: symbols * days, inserted: symbols * days, rejected: 0 });
    expect(resident).toBeGreaterThan(0);
    expect(resident).toBeLessThan(residentLimit);
    const { rows } = await database.client.query(
      "select count(*)::int as rows, count(distinct stock_id)::int as symbols, sum(volume)::float8 as volume from price_history",
    );
    expect(rows).toEqual([{ rows: symbols * days, symbols, volume: (symbols * days * (days - 1)) / 2 }]);
  } finally {
    await database.drop();
    rmSync(folder, { recursive: true });
  }
}, 240_000);

// Not resourceUsage().maxRSS where it can be helped: on Linux it starts with what the parent had when it forked, here a
// worker of jest with hundreds of megabytes. VmHWM is the program's own.
const loading = (path: string) => `
  import { readFileSync } from "node:fs";
  import { parseConnectionString } from "./toolkit/connection.ts";
  import { load } from "./toolkit/load/load.ts";
  const connection = parseConnectionString(process.env.DATABASE_URL);
  const result = await load(connection, ${JSON.stringify(path)}, { batchSize: ${batchSize} });
  let kilobytes = process.resourceUsage().maxRSS;
  try {
    kilobytes = Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
  } catch {}
  console.log(JSON.stringify({ result, resident: kilobytes / 1024 }));`;

async function writePrices(path: string): Promise<void> {
  const file = createWriteStream(path);
  file.write("symbol,date,open,high,low,close,adjclose,volume\n");
  const dates = Array.from({ length: days }, (_, day) =>
    new Date(Date.UTC(2004, 0, 1 + day)).toISOString().slice(0, 10),
  );
  for (let symbol = 0; symbol < symbols; symbol++) {
    const lines = dates.map((date, day) => `SYM${symbol},${date},99.5,${102 + symbol},98,100.25,100.25,${day}\n`);
    if (!file.write(lines.join(""))) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
}
