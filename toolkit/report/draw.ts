import * as echarts from "echarts";
import { Html } from "./html.ts";

/**
 * Draws a plot as SVG, which any page can hold.
 * @param height in pixels; it is 940 wide
 */
export function draw(height: number, option: echarts.EChartsCoreOption): Html {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 940, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: "sans-serif" }, ...option });
  const svg = chart.renderToSVGString();
  // It keeps timers otherwise, and the process alive.
  chart.dispose();
  return new Html(svg);
}
