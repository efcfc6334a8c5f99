/**
 * Just enough SVG for the figures of a run: axes with round tick values, lines and dots. Text in, text
 * out; no drawing library.
 */

/** A range of data values. */
export type Range = readonly [low: number, high: number];

/** Colours that stay apart for colour-blind readers (Okabe and Ito), used in turn. */
export const PALETTE: readonly string[] = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#8c6bb1",
  "#5f5f5f",
  "#a6761d",
  "#000000",
];

/** Size and labels of a chart. */
export interface ChartOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly x: Range;
  readonly y: Range;
  /** Pixels; default 640. */
  readonly width?: number;
  /** Pixels; default 360. */
  readonly height?: number;
  /** Logarithmic y axis; needs y > 0. */
  readonly logarithmic?: boolean;
}

/** Maps data to pixels and holds what was drawn so far. */
export interface Chart {
  readonly options: ChartOptions;
  /** Pixel column of a data value. */
  px(x: number): number;
  /** Pixel row of a data value. */
  py(y: number): number;
  readonly parts: string[];
}

const MARGIN = { left: 64, right: 120, top: 34, bottom: 46 };

/**
 * Escapes text for XML content and attributes.
 *
 * @param text Any text.
 */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/**
 * Starts a chart: frame, ticks, labels.
 *
 * @param options Labels and ranges. An empty range (equal ends) is widened.
 */
export function startChart(options: ChartOptions): Chart {
  const width = options.width ?? 640;
  const height = options.height ?? 360;
  const x = widened(options.x);
  const y = options.logarithmic
    ? widened([Math.log10(options.y[0]), Math.log10(options.y[1])])
    : widened(options.y);
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const scale = (value: number, range: Range, from: number, to: number) =>
    from + (value - range[0]) / (range[1] - range[0]) * (to - from);
  const px = (value: number) => scale(value, x, MARGIN.left, right);
  const row = (value: number) => scale(value, y, bottom, MARGIN.top);
  const py = (value: number) => row(options.logarithmic ? Math.log10(value) : value);
  const parts = [
    `<text x="${MARGIN.left}" y="20" font-weight="bold">${escapeXml(options.title)}</text>`,
    `<rect x="${MARGIN.left}" y="${MARGIN.top}" width="${right - MARGIN.left}" ` +
    `height="${bottom - MARGIN.top}" fill="none" stroke="#999"/>`,
    text((MARGIN.left + right) / 2, height - 10, options.xLabel, "middle"),
    `<text transform="translate(16 ${(MARGIN.top + bottom) / 2}) rotate(-90)" ` +
    `text-anchor="middle">${escapeXml(options.yLabel)}</text>`,
  ];
  for (const value of ticks(x)) {
    parts.push(line(px(value), bottom, px(value), bottom + 4, "#999"));
    parts.push(text(px(value), bottom + 18, tickLabel(value), "middle"));
  }
  for (const value of ticks(y)) {
    parts.push(line(MARGIN.left - 4, row(value), MARGIN.left, row(value), "#999"));
    const label = tickLabel(options.logarithmic ? 10 ** value : value);
    parts.push(text(MARGIN.left - 8, row(value) + 4, label, "end"));
  }
  return { options: { ...options, width, height }, px, py, parts };
}

/**
 * Adds a line through points.
 *
 * @param chart Drawn into.
 * @param points Data coordinates; points that are not finite interrupt the line.
 * @param style Colour and, for the legend at the right, a label with its row number.
 */
export function addLine(
  chart: Chart,
  points: readonly (readonly [x: number, y: number])[],
  style: { readonly colour: string; readonly label?: string; readonly row?: number },
): void {
  let path = "";
  let pen = "M";
  for (const [x, y] of points) {
    const [left, top] = [chart.px(x), chart.py(y)];
    if (!Number.isFinite(left) || !Number.isFinite(top)) {
      pen = "M";
      continue;
    }
    path += `${pen}${short(left)} ${short(top)}`;
    pen = "L";
  }
  chart.parts.push(
    `<path d="${path}" fill="none" stroke="${style.colour}" stroke-width="1.5"/>`,
  );
  if (style.label !== undefined) addLegend(chart, style.label, style.colour, style.row ?? 0);
}

/** Adds a dot of 4 pixels radius at data coordinates. */
export function addDot(
  chart: Chart,
  at: readonly [x: number, y: number],
  style: { readonly colour: string; readonly title: string },
): void {
  chart.parts.push(
    `<circle cx="${short(chart.px(at[0]))}" cy="${short(chart.py(at[1]))}" r="4" ` +
      `fill="${style.colour}"><title>${escapeXml(style.title)}</title></circle>`,
  );
}

/**
 * Ends a chart.
 *
 * @param chart What was drawn.
 * @returns A complete `<svg>` element.
 */
export function finishChart(chart: Chart): string {
  return svgElement(chart.options.width!, chart.options.height!, chart.parts);
}

/**
 * Wraps drawn parts.
 *
 * @param width Pixels.
 * @param height Pixels.
 * @param parts SVG elements.
 */
export function svgElement(width: number, height: number, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#222">\n` +
    `<rect width="${width}" height="${height}" fill="#fff"/>\n${parts.join("\n")}\n</svg>\n`;
}

/** A text element at pixel coordinates. */
export function text(x: number, y: number, content: string, anchor = "start"): string {
  return `<text x="${short(x)}" y="${short(y)}" text-anchor="${anchor}">${
    escapeXml(content)
  }</text>`;
}

/** A straight line between pixel coordinates. */
export function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  return `<line x1="${short(x1)}" y1="${short(y1)}" x2="${short(x2)}" y2="${short(y2)}" ` +
    `stroke="${colour}"/>`;
}

function addLegend(chart: Chart, label: string, colour: string, row: number): void {
  const x = chart.options.width! - MARGIN.right + 10;
  const y = MARGIN.top + 10 + 16 * row;
  chart.parts.push(line(x, y, x + 16, y, colour), text(x + 21, y + 4, label));
}

/**
 * Round values inside a range, about five of them.
 *
 * @param range Low and high end.
 * @returns Multiples of 1, 2 or 5 times a power of ten.
 */
export function ticks(range: Range): number[] {
  const rough = (range[1] - range[0]) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const values: number[] = [];
  for (let k = Math.ceil(range[0] / step - 1e-9); k * step <= range[1] + step * 1e-9; k++) {
    values.push(k * step);
  }
  return values;
}

function tickLabel(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function widened(range: Range): Range {
  if (range[1] > range[0]) return range;
  const margin = Math.abs(range[0]) * 0.1 || 1;
  return [range[0] - margin, range[0] + margin];
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}
