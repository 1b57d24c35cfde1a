import { basename } from "node:path";
import { BadLine, quote } from "./fields.ts";

/**
 * Checks a symbol: up to 32 letters, digits and the signs that exchanges use. No backslash, tab or line end can pass,
 * so that a symbol needs no escaping on its way through COPY.
 * @throws BadLine otherwise
 */
export function checkedSymbol(symbol: string): string {
  if (/^[\p{L}\p{N}^][\p{L}\p{N}^.,=:&/_$#+* -]{0,31}$/u.test(symbol)) return symbol;
  throw new BadLine(symbol === "" ? "symbol is missing" : `symbol ${quote(symbol)} is not a symbol`);
}

/** The symbol that a file's name says: AAPL for aapl.csv, and for aapl.rejects.csv. */
export function symbolOfFile(path: string): string {
  return basename(path)
    .replace(/\.csv$/i, "")
    .replace(/(\.rejects)+$/, "")
    .toUpperCase();
}
