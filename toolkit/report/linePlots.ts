import { amount } from "../history/show.ts";
import { day } from "../history/times.ts";
import type { Trend } from "../history/trends.ts";
import { blue, line, muted, red } from "./colours.ts";
import { draw } from "./draw.ts";
import type { Seen } from "./history.ts";
import type { Html } from "./html.ts";

// Half of the page, twice as dense as the page shows it.
const size = { width: 470, height: 190 };

const axisLabel = { color: muted, fontSize: 11, hideOverlap: true };

const axes = (unit: string, most?: number) => ({
  grid: { left: 70, right: 14, top: 30, bottom: 26 },
  xAxis: {
    ...{ type: "time", splitNumber: 4, axisLine: { lineStyle: { color: line } }, axisTick: { show: false } },
    axisLabel: {
      ...axisLabel,
      formatter: { year: "{yyyy}", month: "{MMM} {yyyy}", day: "{d} {MMM}", hour: "{HH}:{mm}" },
    },
  },
  yAxis: {
    ...{ type: "value", splitNumber: 3, splitLine: { lineStyle: { color: line } }, ...(most ? { max: most } : {}) },
    axisLabel: { ...axisLabel, ...(most && { showMaxLabel: false }), formatter: (value: number) => short(value, unit) },
  },
});

/** The unit stands in the title, except where the number is told in several. */
function short(value: number, unit: string): string {
  if (/^(bytes|seconds$|%)/.test(unit)) return amount(value, unit);
  return value.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 2 });
}

const title = (text: string) => ({
  title: { text, left: 0, top: 0, textStyle: { fontSize: 13, fontWeight: 600, color: "var(--text)" } },
});

const plain = { type: "line", showSymbol: false, silent: true, lineStyle: { width: 1.5 } };

/** How a number went in the last week. */
export function trendPlot({ metric, object, unit, points }: Trend): Html {
  const name = object ? `${metric} of ${object}` : metric;
  return draw(
    size.height,
    {
      ...title(`${name}: ${amount(points.at(-1)!.value, unit)}`),
      ...axes(unit),
      series: [
        {
          ...{ ...plain, color: blue, areaStyle: { opacity: 0.12 } },
          data: points.map(({ at, value }) => [at, value]),
        },
      ],
    },
    size.width,
  );
}

/** How a resource is used up: what was seen, its limit, and between which days it is reached. */
export function forecastPlot({ resource, object, unit, value, limit, points, at, earliest, latest }: Seen): Html {
  const [first, last] = [points[0]!, points.at(-1)!];
  const known = [at, earliest, latest].flatMap((time) => (time === null ? [] : [Date.parse(time)]));
  // Where its latest day is too far to tell, the area goes on to the end.
  const seen = Math.max(last.at - first.at, day);
  const end = Math.max(last.at + seen / 3, ...known.map((time) => time + seen / 10));
  const top = Math.max(...points.map((point) => point.most));
  // A limit that is far away would press the line to the ground.
  const near = limit !== null && (known.length > 0 || limit <= 4 * top);
  return draw(
    size.height,
    {
      ...title(`${object ? `${resource} of ${object}` : resource}: ${amount(value, unit)}`),
      ...axes(unit, near ? Math.max(limit, top) * 1.08 : undefined),
      series: [
        {
          ...{ ...plain, color: blue, areaStyle: { opacity: 0.12 } },
          data: [...points.map((point) => [point.at, point.most]), [end, null]],
          ...(near && { markLine: { ...mark, data: [{ yAxis: limit }] } }),
          ...(earliest !== null && {
            markArea: {
              ...{ silent: true, itemStyle: { color: red, opacity: 0.16 } },
              data: [[{ xAxis: Date.parse(earliest) }, { xAxis: latest === null ? end : Date.parse(latest) }]],
            },
          }),
        },
        ...(at !== null && limit !== null
          ? [
              {
                ...{ ...plain, color: red, lineStyle: { width: 1.5, type: "dashed" } },
                data: [
                  [last.at, last.most],
                  [Date.parse(at), limit],
                ],
              },
            ]
          : []),
      ],
    },
    size.width,
  );
}

const mark = {
  ...{ symbol: "none", silent: true, lineStyle: { color: red, type: "solid", width: 1.5 } },
  label: { formatter: "limit", position: "insideEndTop", color: red, fontSize: 11 },
};
