/** Timing, statistics and tables that all benchmarks share. */

/** Least and median of repeated measurements. */
export interface Spread {
  readonly least: number;
  readonly median: number;
  readonly repeats: number;
}

/**
 * Least and median of values.
 *
 * @param values At least one.
 */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  return { least: sorted[0], median, repeats: sorted.length };
}

/**
 * Milliseconds that a body takes.
 *
 * @param body Must not return before its work is done.
 */
export async function milliseconds(body: () => void | Promise<void>): Promise<number> {
  const started = performance.now();
  await body();
  return performance.now() - started;
}

/**
 * A table with a header line, columns padded to equal width, numbers to the right.
 *
 * @param header Column titles.
 * @param rows Cells as text.
 */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column].length))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ").trimEnd();
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join(
    "\n",
  );
}

/** Rounds to a number of digits for people: `12.3`, `0.41`. */
export function digits(value: number, count = 3): string {
  if (!Number.isFinite(value)) return "-";
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(count)));
}
