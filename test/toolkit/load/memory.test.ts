import { once } from "node:events";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runLoad } from "./child.ts";
import { createPriceDatabase } from "./tables.ts";

const [symbols, days] = [200, 5_000];

// V8 clears its heap late where there is room, so the heap is given a limit, under which a loader that kept the prices
// of the file would end with "heap out of memory": each costs some 200 bytes, a million 200 MB. The resident set adds
// Node itself, the young generation, and the blocks that are read and copied: 300 MB were measured, whether for one
// million rows or for three.
const [heapLimit, residentLimit] = [128, 450];

test("a million rows are loaded in bounded memory", async () => {
  const folder = mkdtempSync(join(tmpdir(), "million-"));
  const database = await createPriceDatabase("partitioned");
  try {
    const path = join(folder, "million.csv");
    await writePrices(path);
    const { code, stdout, stderr } = await runLoad(
      database.connection,
      [path, "--json"],
      [`--max-old-space-size=${heapLimit}`, "--import", `data:text/javascript,${encodeURIComponent(tellMemory)}`],
    );
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const [result] = JSON.parse(stdout);
    expect(result).toMatchObject({ lines: symbols * days, inserted: symbols * days, rejected: 0 });
    const megabytes = Number(/resident (\d+) MB/.exec(stderr)?.[1]);
    expect(megabytes).toBeGreaterThan(0);
    expect(megabytes).toBeLessThan(residentLimit);
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
const tellMemory = `process.on("exit", () => {
  let kilobytes = process.resourceUsage().maxRSS;
  try {
    kilobytes = Number(/VmHWM:\\s+(\\d+)/.exec(process.getBuiltinModule("fs").readFileSync("/proc/self/status", "utf8"))[1]);
  } catch {}
  process.stderr.write("resident " + Math.round(kilobytes / 1024) + " MB\\n");
});`;

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
