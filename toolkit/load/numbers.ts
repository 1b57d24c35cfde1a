import { UserError } from "../errors.ts";
import { BadLine, quote } from "./fields.ts";

/** Which sign separates the decimals; the other one may separate thousands. */
export type Decimal = "point" | "comma";

const nothing = /^(?:|-|null|nil|none|nan|n\/a|na|#n\/a)$/i;
const plain = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,2})?$/i;
// What nearly every cell is, told at a glance: no larger and no longer than the limits below.
const usual = /^\d{1,11}(?:\.\d{1,27})?$/;
const grouped = /^[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?$/;
const magnitudes: Record<string, number> = { k: 1e3, m: 1e6, b: 1e9, t: 1e12 };

// numeric(18,6) holds twelve digits before the point and six after it.
const largestPrice = 999_999_999_999;
const smallestPrice = 0.0000005;
// More digits than this are no price, and from some ten thousand on PostgreSQL refuses them with the whole batch.
const longestNumber = 40;

/** Whether a cell says that there is no value: empty, "null", "NaN", "N/A", "-". */
export function isNothing(cell: string): boolean {
  return nothing.test(cell);
}

/** A number as PostgreSQL reads it, kept as text so that no digit is lost on the way. */
function decimalText(cell: string, column: string, decimal: Decimal): string {
  if (cell.length <= longestNumber) {
    const bare = withoutCurrency(cell);
    const pointed = decimal === "comma" ? swapSigns(bare) : bare;
    if (isNumber(pointed)) return pointed.replaceAll(",", "");
  }
  throw new BadLine(`${column} ${quote(cell)} is not a number`);
}

function withoutCurrency(cell: string): string {
  return cell.replace(/^([+-]?)\s*[$€£¥]\s*/, "$1");
}

/**
 * Reads a price: digits with an optional currency sign and thousands separators.
 * @returns the price as text for numeric(18,6), or null where the cell says that there is none
 * @throws BadLine when it is not a number, negative or too large
 */
export function readPrice(cell: string, column: string, decimal: Decimal): string | null {
  if (decimal === "point" && usual.test(cell)) return cell;
  if (isNothing(cell)) return null;
  const text = decimalText(cell, column, decimal);
  const value = Number(text);
  if (value < 0) throw new BadLine(`${column} ${text} is negative`);
  if (value > largestPrice) throw new BadLine(`${column} ${text} is too large: at most ${largestPrice}`);
  return text;
}

/** Whether a price is zero once it is rounded to the six decimals that are stored. */
export function isZero(price: string): boolean {
  return Number(price) < smallestPrice;
}

/**
 * Reads a volume: a whole number, or a short form such as 5.2B. A fraction of a share is rounded.
 * @throws BadLine when it is not a number, negative or beyond 2^53
 */
export function readVolume(cell: string, column: string, decimal: Decimal): string | null {
  if (/^\d{1,15}$/.test(cell)) return cell;
  if (isNothing(cell)) return null;
  const [, digits, magnitude] = /^(.*\d\.?)\s*([kmbt])$/i.exec(cell) ?? [undefined, cell, ""];
  const text = decimalText(digits!, column, decimal);
  const value = Math.round(Number(text) * (magnitudes[magnitude!.toLowerCase()] ?? 1));
  if (value < 0) throw new BadLine(`${column} ${cell} is negative`);
  if (!Number.isSafeInteger(value)) throw new BadLine(`${column} ${cell} is too large`);
  return String(value === 0 ? 0 : value);
}

/**
 * Finds out from a file's own prices whether a point or a comma separates the decimals.
 * @returns point where no price has either sign
 * @throws UserError when every price could be read both ways, such as 1.234
 */
export async function findDecimal(cells: AsyncIterable<string>, file: string): Promise<Decimal> {
  let example: string | undefined;
  for await (const cell of cells) {
    const sign = decimalSign(withoutCurrency(cell));
    if (sign === "open") example ??= cell;
    else if (sign) return sign;
  }
  if (!example) return "point";
  throw new UserError(`${file}: ${example} could have decimals or thousands, and no price in the file tells which`, {
    fix: "Add --decimal point or --decimal comma.",
    exitCode: 2,
  });
}

/** The only decimal sign with which a cell is a number; "open" for one like 1.234, nothing where no sign tells. */
function decimalSign(cell: string): Decimal | "open" | undefined {
  if (!/[.,]/.test(cell)) return undefined;
  const [point, comma] = [isNumber(cell), isNumber(swapSigns(cell))];
  if (point && comma) return "open";
  return point ? "point" : comma ? "comma" : undefined;
}

function isNumber(text: string): boolean {
  return plain.test(text) || grouped.test(text);
}

function swapSigns(text: string): string {
  return text.replace(/[.,]/g, (sign) => (sign === "." ? "," : "."));
}
