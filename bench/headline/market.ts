import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** The sectors of the Global Industry Classification Standard. */
export const sectors = [
  "Communication Services",
  "Consumer Discretionary",
  "Consumer Staples",
  "Energy",
  "Financials",
  "Health Care",
  "Industrials",
  "Information Technology",
  "Materials",
  "Real Estate",
  "Utilities",
];

/** A stock of the made-up market. Days are counted in trading days from the first. */
export interface Listing {
  id: number;
  symbol: string;
  /** 1 to 11; 0 where it is not classified. */
  sector: number;
  firstDay: number;
  /** The day after its last: beyond the market's days where it is still listed. */
  endDay: number;
}

/** One stock's prices on one day; prices in cents, as the exchange quotes them. */
export interface Quote {
  listing: Listing;
  open: number;
  high: number;
  low: number;
  close: number;
  /** The close as if every later split had been made already, in units of 0.000001. */
  adjusted: number;
  volume: number;
}

const years = 15;
const [shareYoung, shareDelisted, shareUnclassified] = [0.4, 0.15, 0.02];
// A halt of trading, an announcement missed by the vendor: one day of a stock in a thousand.
const shareMissing = 0.001;
const splitAbove = 40_000;
const splitRatio = 4;

/** Weekdays of the last fifteen years, the oldest first, as YYYY-MM-DD. */
export function tradingDays(today: Date): string[] {
  const days: string[] = [];
  const day = new Date(Date.UTC(today.getUTCFullYear() - years, today.getUTCMonth(), today.getUTCDate()));
  for (; day <= today; day.setUTCDate(day.getUTCDate() + 1))
    if (day.getUTCDay() % 6 !== 0) days.push(day.toISOString().slice(0, 10));
  return days;
}

/** A source of random numbers that is the same for the same seed. */
export function randomSource(seed: number) {
  const generator = xoroshiro128plus(seed);
  const uniform = () => uniformFloat32(generator);
  return {
    uniform,
    /** Nearly normal, mean 0 and deviation 1: the sum of four uniforms, whose tails suffice for prices. */
    normal: () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3),
    whole: (least: number, most: number) => least + Math.floor(uniform() * (most - least + 1)),
  };
}

/**
 * The listings that together have `rows` prices: some are younger than the market, some are delisted.
 * @param days trading days of the market
 */
export function makeListings(rows: number, days: number, seed: number): Listing[] {
  const { uniform, whole } = randomSource(seed);
  const listings: Listing[] = [];
  for (let expected = 0; expected < rows; ) {
    const id = listings.length + 1;
    const firstDay = uniform() < shareYoung ? whole(0, Math.floor(days * 0.9)) : 0;
    const isDelisted = uniform() < shareDelisted;
    const endDay = isDelisted ? whole(firstDay + 1, days - 1) : days + 1;
    const sector = uniform() < shareUnclassified ? 0 : whole(1, sectors.length);
    listings.push({ id, symbol: symbolOf(id), sector, firstDay, endDay });
    expected += (Math.min(endDay, days) - firstDay) * (1 - shareMissing);
  }
  return listings;
}

/** Four letters for the first half million: AAAB, AAAC… in an order that is not that of the ids. */
function symbolOf(id: number): string {
  const letters = 26 ** 4;
  // A multiplier without a common factor with 26: every number is met once.
  let rest = (id * 104_729) % letters;
  let symbol = "";
  for (let place = 0; place < 4; place++, rest = Math.floor(rest / 26))
    symbol = String.fromCharCode(65 + (rest % 26)) + symbol;
  return symbol;
}

/**
 * The quotes of every day, a day at a time, as random walks with the market's, the sector's and the stock's own moves.
 * @param visit gets each quote, days in order and stocks in order within a day
 */
export function* walk(listings: readonly Listing[], days: number, seed: number): Generator<Quote[]> {
  const { uniform, normal } = randomSource(seed + 1);
  const price = Float64Array.from(listings, () => 1_000 * 10 ** (uniform() * 1.3));
  const volatility = Float64Array.from(listings, () => 0.008 + 0.02 * uniform());
  const liquidity = Float64Array.from(listings, () => 10 ** (4 + 3 * uniform()));
  // Splits to come must be known before the first adjusted close is: the walk is made without them, in adjusted prices.
  const splits = new Float64Array(listings.length).fill(1);
  for (let day = 0; day < days; day++) {
    const market = 0.0003 + 0.007 * normal();
    const bySector = sectors.map(() => market + 0.004 * normal());
    const quotes: Quote[] = [];
    for (const [index, listing] of listings.entries()) {
      if (day < listing.firstDay || day >= listing.endDay) continue;
      const move = (bySector[listing.sector - 1] ?? market) + volatility[index]! * normal();
      const before = price[index]!;
      const now = Math.max(before * (1 + move), 50);
      price[index] = now;
      if (now * splits[index]! > splitAbove) splits[index]! /= splitRatio;
      if (uniform() < shareMissing) continue;
      const quoted = splits[index]!;
      const close = Math.max(Math.round(now * quoted), 1);
      const open = Math.max(Math.round(before * quoted * (1 + move * uniform())), 1);
      const reach = volatility[index]! * 0.5;
      const high = Math.max(open, close, Math.round(Math.max(open, close) * (1 + reach * uniform())));
      const low = Math.max(Math.min(open, close, Math.round(Math.min(open, close) * (1 - reach * uniform()))), 1);
      const volume = Math.round(liquidity[index]! * (0.5 + uniform()) * (1 + 20 * Math.abs(move)));
      quotes.push({ listing, open, high, low, close, adjusted: Math.round(now * 10_000), volume });
    }
    yield quotes;
  }
}
