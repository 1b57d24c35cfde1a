import type { Quote } from "./market.ts";

/** The indicators of one stock on one day, in the order of the table's columns after the date. */
export type IndicatorValues = (number | null)[];

/** Its columns, in the order of {@link IndicatorValues}. */
export const indicatorColumns = [
  "rsi_14",
  "macd",
  "macd_signal",
  "macd_histogram",
  "sma_20",
  "sma_50",
  "sma_200",
  "ema_12",
  "ema_26",
  "bollinger_upper",
  "bollinger_middle",
  "bollinger_lower",
];

const longest = 200;

/** The running state of one stock: what each indicator needs of the past. */
interface State {
  prices: Float64Array;
  seen: number;
  sums: [number, number, number];
  squares: number;
  gain: number;
  loss: number;
  fast: number;
  slow: number;
  signal: number;
}

/** Computes the usual indicators as the prices come, in constant time for each. */
export function indicatorsOf(): (quote: Quote) => IndicatorValues {
  const states = new Map<number, State>();
  return ({ listing, adjusted }) => {
    const price = adjusted / 1_000_000;
    let state = states.get(listing.id);
    if (!state) {
      const prices = new Float64Array(longest);
      state = { prices, seen: 0, sums: [0, 0, 0], squares: 0, gain: 0, loss: 0, fast: price, slow: price, signal: 0 };
      states.set(listing.id, state);
    }
    return step(state, price);
  };
}

const windows = [20, 50, longest] as const;

function step(state: State, price: number): IndicatorValues {
  const { prices, sums } = state;
  const ago = (days: number) => prices[(state.seen - days + longest) % longest]!;
  const change = state.seen > 0 ? price - ago(1) : 0;
  for (const [index, days] of windows.entries()) {
    const leaving = state.seen >= days ? ago(days) : 0;
    sums[index]! += price - leaving;
    if (days === 20) state.squares += price * price - leaving * leaving;
  }
  prices[state.seen % longest] = price;
  state.seen++;
  state.gain += (Math.max(change, 0) - state.gain) / 14;
  state.loss += (Math.max(-change, 0) - state.loss) / 14;
  state.fast += ((price - state.fast) * 2) / 13;
  state.slow += ((price - state.slow) * 2) / 27;
  const macd = state.fast - state.slow;
  state.signal += ((macd - state.signal) * 2) / 10;

  const [sma20, sma50, sma200] = windows.map((days, index) => (state.seen >= days ? sums[index]! / days : null));
  const deviation = Math.sqrt(Math.max(state.squares / 20 - (sums[0] / 20) ** 2, 0));
  const moved = state.gain + state.loss;
  return [
    ...[state.seen > 14 && moved > 0 ? (100 * state.gain) / moved : null, macd, state.signal, macd - state.signal],
    ...[sma20!, sma50!, sma200!, state.fast, state.slow],
    ...(sma20 == null ? [null, null, null] : [sma20 + 2 * deviation, sma20, sma20 - 2 * deviation]),
  ];
}
