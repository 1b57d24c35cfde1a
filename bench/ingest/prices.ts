import { makeListings, tradingDays, walk } from "../headline/market.ts";

const seed = 20_260_101;
// The market's last two years: many stocks a day, as a vendor's file of daily prices has them.
const days = 500;

/** A price as text, as it comes: no contender has to format numbers. */
export type Price = Record<
  "symbol" | "date" | "open" | "high" | "low" | "close" | "adjustedClose" | "volume",
  string
> & { stockId: number };

/** What is stored, and prices of other stocks in the same days. */
export interface Market {
  prices: Price[];
  others: Price[];
}

/** Makes twice as many prices, of which every second stock's are stored. */
export function makeMarket(rows: number): Market {
  const dates = tradingDays(new Date()).slice(-days);
  const listings = makeListings(rows * 2, dates.length, seed);
  const market: Market = { prices: [], others: [] };
  let day = 0;
  for (const quotes of walk(listings, dates.length, seed)) {
    for (const { listing, open, high, low, close, adjusted, volume } of quotes)
      (listing.id % 2 ? market.prices : market.others).push({
        ...{ symbol: listing.symbol, stockId: listing.id, date: dates[day]! },
        ...{ open: String(open / 100), high: String(high / 100), low: String(low / 100), close: String(close / 100) },
        ...{ adjustedClose: String(adjusted / 1_000_000), volume: String(volume) },
      });
    day++;
  }
  return market;
}

export function* csv(prices: readonly Price[]): Generator<string> {
  yield "symbol,date,open,high,low,close,adj close,volume\n";
  for (const { symbol, date, open, high, low, close, adjustedClose, volume } of prices)
    yield `${symbol},${date},${open},${high},${low},${close},${adjustedClose},${volume}\n`;
}
