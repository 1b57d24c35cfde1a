import * as echarts from "echarts";
import { Html } from "./html.ts";

/**
 * Draws a plot as SVG, which any page can hold.
 * @param height in pixels, as `width`
 */
export function draw(height: number, option: echarts.EChartsCoreOption, width = 940): Html {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: "system-ui, sans-serif" }, ...option });
  const svg = chart.renderToSVGString();
  // It keeps timers otherwise, and the process alive.
  chart.dispose();
  return new Html(svg);
}
