/** Priors that an adversarial autoencoder's codes are compared with [streamlines §4.4]. */
import type { NdArray } from "../../base/arrays.ts";
import { ConfigError } from "../../base/errors.ts";

/** A shape of the prior. */
export type PriorKind = "normal" | "gaussian-mixture" | "swiss-roll";

/** Spread of the mixture's components. */
export interface MixtureOptions {
  /** C. */
  readonly classes: number;
  /** Along the ray; default 0.5. */
  readonly along?: number;
  /** Across it, and of all further values; default 0.1. */
  readonly across?: number;
}

/**
 * The original's mixture: one component a class, on rays from the origin in the plane of the first two values.
 *
 * @param normals Standard normals `[N, D]`, D at least 2.
 * @param labels Class of each, `[N]`.
 * @param options See {@link MixtureOptions}.
 * @returns `[N, D]`.
 * @throws {ConfigError} when D is below 2.
 */
export function gaussianMixturePrior(
  normals: NdArray,
  labels: ArrayLike<number>,
  { classes, along = 0.5, across = 0.1 }: MixtureOptions,
): NdArray<Float64Array> {
  const { data, shape: [rows, width] } = normals;
  requireTwo(width);
  const z = new Float64Array(rows * width);
  for (let i = 0; i < rows; i++) {
    for (let d = 0; d < width; d++) {
      z[i * width + d] = Math.fround(data[i * width + d] * (d === 0 ? along : across));
    }
    const angle = (2 * Math.PI * labels[i]) / classes;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const [a, b] = [z[i * width] + 3 * along, z[i * width + 1]];
    z[i * width] = c * a + s * b;
    z[i * width + 1] = c * b - s * a;
  }
  return { data: z, shape: [rows, width] };
}

/**
 * A spiral in the first two values, cut into one piece a class.
 *
 * @param uniforms Numbers on 0 … 1, `[N]`.
 * @param labels Class of each, `[N]`.
 * @param classes C.
 * @returns `[N, 2]`.
 */
export function swissRollPrior(
  uniforms: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): NdArray<Float64Array> {
  const data = new Float64Array(2 * uniforms.length);
  for (let i = 0; i < uniforms.length; i++) {
    const root = Math.sqrt((uniforms[i] + labels[i]) / classes);
    const angle = 4 * Math.PI * root;
    data[2 * i] = 3 * root * Math.cos(angle);
    data[2 * i + 1] = 3 * root * Math.sin(angle);
  }
  return { data, shape: [uniforms.length, 2] };
}

function requireTwo(width: number): void {
  if (width >= 2) return;
  throw new ConfigError(
    "latentDim",
    `Cannot draw from this prior: latentDim is ${width}, needs at least 2; take the normal one`,
  );
}
