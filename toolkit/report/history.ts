import type { Connection } from "../connection.ts";
import { withClient } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { type Forecast, forecast } from "../history/capacity.ts";
import type { Point } from "../history/read.ts";
import { findRegressions, type Regression } from "../history/regressions.ts";
import { hasHistory } from "../history/schema.ts";
import { day } from "../history/times.ts";
import { readTrends, type Trend } from "../history/trends.ts";
import type { Queryable } from "../queryable.ts";

/** What was recorded of a database, as a report tells it. */
export interface History {
  /** Of the whole server and of the databases, in the last week. */
  trends: Trend[];
  forecasts: Seen[];
  regressions: Regression[];
  /** Why regressions were not looked for; null where they were. */
  regressionsUnavailable: string | null;
}

/** A forecast, and what it was made from. */
export interface Seen extends Forecast {
  points: Point[];
}

/** A history, or why there is none to read and what would make one: whole sentences. */
export type HistoryRead = History | { unavailable: string };

const nothing =
  "Nothing is recorded here yet, so there are no trends and there is no forecast. Start `toolkit record` and leave it running, or call `toolkit record --once` from cron: from two days on it tells when the disk, the connections, the transaction ids and the sequences run out.";
const refused =
  "This role may not read what is recorded: grant usage on schema monitoring, and select on all tables in schema monitoring, to it.";

const [trendDays, forecastDays] = [7, 90];
// More than a plot of this size shows.
const mostPoints = 200;

/**
 * Reads what `toolkit record` has kept.
 * @param options.diskBytes the size of the disk, which SQL cannot see; undefined where nobody has told
 */
export async function readHistory(
  connection: Connection,
  options: { diskBytes: number | undefined },
): Promise<HistoryRead> {
  return withClient(connection, { applicationName: "report" }, async (client) => {
    try {
      return (await hasHistory(client)) ? await read(client, options) : { unavailable: nothing };
    } catch (error) {
      if ((error as { code?: string }).code !== "42501") throw error;
      return { unavailable: refused };
    }
  });
}

async function read(client: Queryable, options: { diskBytes: number | undefined }): Promise<History> {
  const since = (days: number) => Date.now() - days * day;
  const trends = await readTrends(client, { metrics: [], since: since(trendDays) });
  const forecasts = await forecast(client, { since: since(forecastDays), ...options });
  const metrics = [...new Set(forecasts.map(({ metric }) => metric))];
  const bases = metrics.length > 0 ? await readTrends(client, { metrics, since: since(forecastDays) }) : [];
  const baseOf = ({ metric, object }: Forecast) =>
    bases.find((base) => base.metric === metric && base.object === object)?.points ?? [];
  let [regressions, regressionsUnavailable]: [Regression[], string | null] = [[], null];
  try {
    regressions = (await findRegressions(client, since(trendDays))).regressions;
  } catch (error) {
    // The role may not read the journal of deploys.
    if (!(error instanceof UserError)) throw error;
    regressionsUnavailable = messageOf(error);
  }
  return {
    trends: trends.map((trend) => ({ ...trend, points: thinned(trend.points) })),
    forecasts: forecasts.map((one) => ({ ...one, points: thinned(baseOf(one)) })),
    ...{ regressions, regressionsUnavailable },
  };
}

/** As many points as a plot shows: each the mean of its neighbours, and the largest of them. */
export function thinned(points: readonly Point[], most = mostPoints): Point[] {
  const size = Math.ceil(points.length / most);
  if (size <= 1) return [...points];
  return Array.from({ length: Math.ceil(points.length / size) }, (_, n) => {
    const part = points.slice(n * size, (n + 1) * size);
    return {
      at: part.at(-1)!.at,
      value: part.reduce((sum, { value }) => sum + value, 0) / part.length,
      most: Math.max(...part.map((point) => point.most)),
    };
  });
}
