/** Figure: eigenvalues of the transition matrix F in the complex plane, with the unit circle. */
import { addDot, addLine, finishChart, PALETTE, startChart } from "./svg.ts";

/** One eigenvalue. */
export interface Eigenvalue {
  readonly re: number;
  readonly im: number;
}

/**
 * Draws eigenvalues. Inside the unit circle a mode decays, off the real axis it oscillates.
 *
 * @param eigenvalues Of F (D × D), in any order.
 * @returns An SVG element.
 */
export function eigenvaluePlot(eigenvalues: readonly Eigenvalue[]): string {
  const reach = 1.1 * Math.max(1, ...eigenvalues.map(({ re, im }) => Math.hypot(re, im)));
  const chart = startChart({
    title: "Eigenvalues of the transition matrix F",
    xLabel: "real part",
    yLabel: "imaginary part",
    x: [-reach, reach],
    y: [-reach, reach],
    width: 544,
    height: 440,
  });
  const circle = Array.from({ length: 181 }, (_, i) => {
    const angle = 2 * Math.PI * i / 180;
    return [Math.cos(angle), Math.sin(angle)] as const;
  });
  addLine(chart, circle, { colour: "#999", label: "modulus 1" });
  addLine(chart, [[-reach, 0], [reach, 0]], { colour: "#ddd" });
  for (const { re, im } of eigenvalues) {
    const title = `${re.toFixed(3)} ${im < 0 ? "-" : "+"} ${Math.abs(im).toFixed(3)}i, ` +
      `modulus ${Math.hypot(re, im).toFixed(3)}`;
    addDot(chart, [re, im], { colour: PALETTE[0], title });
  }
  return finishChart(chart);
}
