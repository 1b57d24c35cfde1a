import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** The next number of a series, hour by hour from 0 on. */
export type Series = (hour: number) => number;

/** What each of the series below grows by in a day. */
export const perDay = 10;

/** Made-up series whose growth is known, the same for the same seed. */
export function makeSeries(seed: number): Record<"noisy" | "alike" | "wandering" | "daily" | "weekly", Series> {
  const random = xoroshiro128plus(seed);
  // Box and Muller.
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniformFloat32(random))) * Math.cos(2 * Math.PI * uniformFloat32(random));
  const line = (hour: number) => 100 + (perDay * hour) / 24;
  let [rest, path] = [0, 100];
  return {
    noisy: (hour) => line(hour) + 20 * normal(),
    /** Each hour resembles the one before. */
    alike(hour) {
      rest = 0.7 * rest + 15 * normal();
      return line(hour) + rest;
    },
    wandering() {
      path += perDay / 24 + (4 / Math.sqrt(24)) * normal();
      return path;
    },
    daily: (hour) => line(hour) + 60 * Math.sin((hour / 24) * 2 * Math.PI) + 10 * normal(),
    weekly: (hour) => line(hour) + (Math.floor(hour / 24) % 7 < 5 ? 60 : 0) + 10 * normal(),
  };
}

/** Its first hours, as a forecast takes them. */
export function hours(series: Series, days: number) {
  return Array.from({ length: days * 24 }, (_, hour) => ({ t: hour / 24, y: series(hour) }));
}
