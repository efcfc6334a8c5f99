/** Figure: codes in a plane, coloured by group. */
import { addDot, finishChart, PALETTE, startChart } from "./svg.ts";

/**
 * Draws points of a map.
 *
 * @param map `[N, 2]`, x and y in turn.
 * @param options Group of each point, names of groups, and the title.
 * @returns An SVG element.
 */
export function latentMap(
  map: ArrayLike<number>,
  options: {
    readonly labels: ArrayLike<number>;
    readonly names: readonly string[];
    readonly title: string;
  },
): string {
  const values = Array.from(map);
  const column = (axis: number) => values.filter((_, i) => i % 2 === axis);
  const range = (list: number[]) => [Math.min(...list, 0), Math.max(...list, 0)] as const;
  const chart = startChart({
    title: options.title,
    xLabel: "first",
    yLabel: "second",
    x: range(column(0)),
    y: range(column(1)),
    height: 440,
  });
  for (let i = 0; i < values.length / 2; i++) {
    const colour = PALETTE[options.labels[i] % PALETTE.length];
    const title = options.names[options.labels[i]] ?? "";
    addDot(chart, [values[2 * i], values[2 * i + 1]], { colour, title });
  }
  return finishChart(chart);
}
