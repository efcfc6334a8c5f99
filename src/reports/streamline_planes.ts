/** Figure: streamlines seen along the three axes. */
import { PALETTE, svgElement, text } from "./svg.ts";

/** Streamlines to draw. */
export interface DrawnStreamlines {
  /** Under the row. */
  readonly title: string;
  /** `[N, P, 3]`, mm. */
  readonly points: ArrayLike<number>;
  readonly pointsEach: number;
  /** Decides the colours. */
  readonly labels: ArrayLike<number>;
}

const PANEL = 190;
/** Points drawn of every streamline. */
const DRAWN_POINTS = 24;
const VIEWS = [["x", "y", 0, 1], ["x", "z", 0, 2], ["y", "z", 1, 2]] as const;

/**
 * Draws sets of streamlines, a row each, on common axes.
 *
 * @param rows The sets.
 * @returns An SVG element.
 */
export function streamlinePlanes(rows: readonly DrawnStreamlines[]): string {
  const [low, high] = boundsOf(rows);
  const reach = Math.max(1e-6, ...high.map((value, a) => value - low[a]));
  const parts: string[] = [];
  rows.forEach((row, r) => {
    const top = r * (PANEL + 28) + 20;
    parts.push(text(4, top - 6, row.title));
    VIEWS.forEach(([h, v, a, b], column) => {
      const left = column * (PANEL + 10);
      const place = (k: number) => {
        const x = left + (PANEL * (row.points[3 * k + a] - low[a])) / reach;
        const y = top + PANEL - (PANEL * (row.points[3 * k + b] - low[b])) / reach;
        return `${x.toFixed(1)},${y.toFixed(1)}`;
      };
      parts.push(
        `<rect x="${left}" y="${top}" width="${PANEL}" height="${PANEL}" fill="none" stroke="#ccc"/>`,
        text(left + 4, top + PANEL - 4, `${h} ${v}`),
        ...linesOf(row, place),
      );
    });
  });
  return svgElement(3 * (PANEL + 10), rows.length * (PANEL + 28) + 24, parts);
}

function linesOf(
  { points, pointsEach, labels }: DrawnStreamlines,
  place: (k: number) => string,
): string[] {
  const count = points.length / 3 / pointsEach;
  return Array.from({ length: count }, (_, s) => {
    const drawn = Array.from(
      { length: DRAWN_POINTS },
      (_, i) => place(s * pointsEach + Math.round((i * (pointsEach - 1)) / (DRAWN_POINTS - 1))),
    );
    const colour = PALETTE[labels[s] % PALETTE.length];
    return `<polyline points="${
      drawn.join(" ")
    }" fill="none" stroke="${colour}" stroke-opacity="0.5"/>`;
  });
}

function boundsOf(rows: readonly DrawnStreamlines[]): [number[], number[]] {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (const { points } of rows) {
    for (let i = 0; i < points.length; i++) {
      if (!Number.isFinite(points[i])) continue;
      low[i % 3] = Math.min(low[i % 3], points[i]);
      high[i % 3] = Math.max(high[i % 3], points[i]);
    }
  }
  return [low, high];
}
