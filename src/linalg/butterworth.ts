/**
 * Butterworth filters as cascades of second-order sections, applied forwards and backwards so that nothing is shifted in
 * time: the numbers of scipy's `butter(output="sos")` and `sosfiltfilt`.
 */

/** b0, b1, b2 over 1, a1, a2. */
export type Section = readonly [number, number, number, number, number];

/** What a filter lets through. */
export interface Passband {
  /** Frequencies above it are removed, in Hz. */
  readonly lowPass?: number;
  /** Frequencies below it are removed, in Hz. */
  readonly highPass?: number;
  /** Samples per second. */
  readonly sampling: number;
  /** Default 5; a band filter has twice as many poles. */
  readonly order?: number;
}

type Complex = readonly [re: number, im: number];

const plus = ([a, b]: Complex, [c, d]: Complex): Complex => [a + c, b + d];
const times = ([a, b]: Complex, [c, d]: Complex): Complex => [a * c - b * d, a * d + b * c];
const over = ([a, b]: Complex, [c, d]: Complex): Complex => {
  const square = c * c + d * d;
  return [(a * c + b * d) / square, (b * c - a * d) / square];
};
function root([re, im]: Complex): Complex {
  const modulus = Math.hypot(re, im);
  const real = Math.sqrt((modulus + re) / 2);
  return [real, Math.sign(im || 1) * Math.sqrt(Math.max(0, (modulus - re) / 2))];
}

/**
 * Designs a filter.
 *
 * @param band See {@link Passband}; at least one of its two ends. Ends outside 0 … half the sampling rate are brought just
 *   inside.
 * @returns Sections, to be applied one after the other.
 */
export function butterworth(band: Passband): Section[] {
  const { lowPass, highPass, sampling, order = 5 } = band;
  const warped = (hertz: number) =>
    4 * Math.tan(Math.PI * insideNyquist(hertz, sampling) / sampling);
  const low = lowPass === undefined ? undefined : warped(lowPass);
  const high = highPass === undefined ? undefined : warped(highPass);
  const both = low !== undefined && high !== undefined;
  const prototype = Array.from({ length: order }, (_, k): Complex => {
    const angle = Math.PI * (2 * k + 1 - order) / (2 * order);
    return [-Math.cos(angle), -Math.sin(angle)];
  });
  const poles = prototype.flatMap((pole) =>
    both
      ? bandPoles(pole, { width: low - high, centre: low * high })
      : [low !== undefined ? times(pole, [low, 0]) : over([high!, 0], pole)]
  ).map(bilinear);
  const zeros = both ? [1, -1] : low !== undefined ? [-1, -1] : [1, 1];
  const reference = both
    ? 2 * Math.atan(Math.sqrt(low * high) / 4)
    : low !== undefined
    ? 0
    : Math.PI;
  return sectionsOf(poles, zeros).map((section) => normalised(section, reference));
}

/** Steps of float32, in which nilearn brings a frequency inside. */
const STEP = 2 ** -23;

function insideNyquist(hertz: number, sampling: number): number {
  const nyquist = sampling / 2;
  if (hertz >= nyquist) return Math.fround(nyquist * (1 - 10 * STEP));
  return hertz < 0 ? Math.fround(nyquist * STEP) : hertz;
}

function bandPoles(
  pole: Complex,
  { width, centre }: { readonly width: number; readonly centre: number },
): Complex[] {
  const half = times(pole, [width / 2, 0]);
  const offset = root(plus(times(half, half), [-centre, 0]));
  return [plus(half, offset), plus(half, times(offset, [-1, 0]))];
}

/** z = (4 + s)/(4 − s). */
function bilinear(s: Complex): Complex {
  return over(plus([4, 0], s), plus([4, 0], times(s, [-1, 0])));
}

/** One section for each pair of conjugate poles, with two zeros; one for the real pole there may be, with one zero. */
function sectionsOf(poles: readonly Complex[], [first, second]: readonly number[]): Section[] {
  const real = poles.filter(([, im]) => Math.abs(im) < 1e-12).map(([re]) => re);
  const upper = poles.filter(([, im]) => im >= 1e-12);
  const sections = upper.map(([re, im]): Section => [
    1,
    -(first + second),
    first * second,
    -2 * re,
    re * re + im * im,
  ]);
  while (real.length > 1) {
    const [a, b] = [real.pop()!, real.pop()!];
    sections.push([1, -(first + second), first * second, -(a + b), a * b]);
  }
  if (real.length === 1) sections.push([1, -first, 0, -real[0], 0]);
  return sections;
}

/** The section with gain 1 at a frequency in radians a sample. */
function normalised([b0, b1, b2, a1, a2]: Section, omega: number): Section {
  const at = (c0: number, c1: number, c2: number): number =>
    Math.hypot(
      c0 + c1 * Math.cos(omega) + c2 * Math.cos(2 * omega),
      c1 * Math.sin(omega) + c2 * Math.sin(2 * omega),
    );
  const gain = at(1, a1, a2) / at(b0, b1, b2);
  return [b0 * gain, b1 * gain, b2 * gain, a1, a2];
}

/** How the ends of a series are continued while it is filtered. */
export interface EndPadding {
  /** Mirrored about the end point (`odd`), mirrored (`even`), or not at all. Default `"odd"`. */
  readonly kind?: "odd" | "even" | "none";
  /** Samples. Default: three times the number of coefficients. */
  readonly length?: number;
}

/**
 * How many samples a series must have more than, for a filter.
 *
 * @param sections Of the filter.
 */
export function defaultPadding(sections: readonly Section[]): number {
  const short = sections.filter(([, , b2, , a2]) => b2 === 0 && a2 === 0).length;
  return 3 * (2 * sections.length + 1 - short);
}

/**
 * Filters a series forwards and backwards.
 *
 * @param series T values, more than the padding.
 * @param sections From {@link butterworth}.
 * @param padding See {@link EndPadding}.
 * @returns T values.
 */
export function filterBothWays(
  series: Float64Array,
  sections: readonly Section[],
  padding: EndPadding = {},
): Float64Array {
  const { kind = "odd" } = padding;
  const length = kind === "none" ? 0 : padding.length ?? defaultPadding(sections);
  const size = series.length;
  const extended = new Float64Array(size + 2 * length);
  extended.set(series, length);
  const [first, last] = [series[0], series[size - 1]];
  for (let i = 1; i <= length; i++) {
    extended[length - i] = kind === "odd" ? 2 * first - series[i] : series[i];
    extended[length + size - 1 + i] = kind === "odd"
      ? 2 * last - series[size - 1 - i]
      : series[size - 1 - i];
  }
  filterOnce(extended, sections);
  extended.reverse();
  filterOnce(extended, sections);
  extended.reverse();
  return extended.slice(length, length + size);
}

/** In place, as if the first sample had been there for ever. */
function filterOnce(values: Float64Array, sections: readonly Section[]): void {
  let before = values[0];
  for (const [b0, b1, b2, a1, a2] of sections) {
    const gain = (b0 + b1 + b2) / (1 + a1 + a2);
    let late = (b2 - a2 * gain) * before;
    let early = (b1 - a1 * gain) * before + late;
    before *= gain;
    for (let t = 0; t < values.length; t++) {
      const x = values[t];
      const y = b0 * x + early;
      early = b1 * x - a1 * y + late;
      late = b2 * x - a2 * y;
      values[t] = y;
    }
  }
}
