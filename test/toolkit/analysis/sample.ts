import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection } from "../../../toolkit/connection.ts";
import { load } from "../../../toolkit/load/load.ts";

const folder = "node_modules/vega-datasets/data";

/** One day of the S&P 500, as the file has it. */
export interface Day {
  date: string;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

/** The S&P 500 from 2000 to 2020, read without the toolkit. */
export function sp500(): Day[] {
  const [, ...lines] = readFileSync(join(folder, "sp500-2000.csv"), "utf8").trim().split("\n");
  return lines.map((line) => {
    const [date, open, high, low, close, , volume] = line.split(",");
    const [o, h, l, c, v] = [open, high, low, close, volume].map(Number) as [number, number, number, number, number];
    return { date: date!, open: o, high: h, low: l, close: c, volume: v };
  });
}

/** Loads the same file as the symbol SP500. */
export async function loadSp500(connection: Connection): Promise<void> {
  await load(connection, join(folder, "sp500-2000.csv"), { symbol: "SP500", rejects: tmpdir() });
}

/** Loads the monthly prices of five stocks. */
export async function loadStocks(connection: Connection): Promise<void> {
  await load(connection, join(folder, "stocks.csv"), { rejects: tmpdir() });
}
