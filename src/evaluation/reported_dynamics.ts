/**
 * The dynamics that are reported: F by unpenalised least squares on centred pairs of posterior means, its eigenvalues as time
 * constants and periods, and how sure the number of frames makes them.
 *
 * Intervals are of the sampling distribution of least squares: F is drawn from the normal distribution with its
 * asymptotic covariance (residual covariance ⊗ inverse of Σ h⁻h⁻ᵀ), and each eigenvalue's modulus is the nearest of the
 * drawn ones. They say what more runs like these would change, not what noise in the states hides.
 */
import { RandomStream } from "../base/random.ts";
import { type Eigenvalue, eigenvalues } from "../linalg/eigenvalues.ts";
import { cholesky, lowerInverse } from "../linalg/cholesky.ts";
import { leastSquaresFit, type StateRun } from "../linalg/run_transition.ts";

/** One mode: a real eigenvalue, or of a conjugate pair the one with positive imaginary part. */
export interface DynamicsMode extends Eigenvalue {
  /** 95 % interval of the modulus. */
  readonly modulusInterval: readonly [number, number];
  /** −1/ln|λ| in frames; Infinity where the modulus is not below 1. */
  readonly timeConstant: number;
  /** That of the bounds of the modulus, in frames. */
  readonly timeConstantInterval: readonly [number, number];
  /** 2π/|arg λ| in frames; Infinity for a real eigenvalue above 0. */
  readonly period: number;
}

/** Reported dynamics. */
export interface ReportedDynamics {
  /** F `[D, D]` row-major. */
  readonly transition: Float64Array;
  /** Largest modulus first. */
  readonly modes: readonly DynamicsMode[];
  /** Pairs of frames it was fitted to. */
  readonly pairs: number;
}

/** Draws of F behind an interval. */
const DRAWS = 400;
/** Shares of the draws outside, on each side. */
const TAIL = 0.025;

/**
 * Fits and describes the dynamics.
 *
 * @param runs Posterior means of the training runs.
 * @param latentDim D.
 * @param options `seed` of the draws, default 0.
 * @returns Null when there are too few pairs of frames, or they do not vary in every dimension.
 */
export function reportDynamics(
  runs: readonly StateRun[],
  latentDim: number,
  { seed = 0 }: { readonly seed?: number } = {},
): ReportedDynamics | null {
  const fit = leastSquaresFit(runs, latentDim);
  if (!fit) return null;
  const { transition, pairs } = fit;
  const gram = cholesky(fit.gram, latentDim);
  const noise = cholesky(fit.residual, latentDim);
  if (!gram || !noise) return null;
  const inverse = lowerInverse(gram, latentDim);
  const stream = RandomStream.fromSeed(seed).split("dynamics");
  const drawn = Array.from({ length: DRAWS }, (_, i) => {
    const normals = stream.split(i).normals(latentDim * latentDim);
    const moved = drawTransition({ transition, noise, inverse, normals }, latentDim);
    return eigenvalues(moved, latentDim);
  });
  const modes = eigenvalues(transition, latentDim).filter(({ imaginary }) => imaginary >= 0);
  return { transition, pairs, modes: modes.map((mode) => describeMode(mode, drawn)) };
}

/** F + L_Q·Z·C⁻¹ with Q = L_Q·L_Qᵀ, Σ h⁻h⁻ᵀ = C·Cᵀ and Z standard normal. */
function drawTransition(
  { transition, noise, inverse, normals }: {
    readonly transition: Float64Array;
    readonly noise: Float64Array;
    readonly inverse: Float64Array;
    readonly normals: Float32Array;
  },
  D: number,
): Float64Array {
  const product = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    const result = new Float64Array(D * D);
    for (let i = 0; i < D; i++) {
      for (let k = 0; k < D; k++) {
        for (let j = 0; j < D; j++) result[i * D + j] += a[i * D + k] * b[k * D + j];
      }
    }
    return result;
  };
  const move = product(product(noise, normals), inverse);
  return transition.map((value, i) => value + move[i]);
}

function describeMode(mode: Eigenvalue, drawn: readonly Eigenvalue[][]): DynamicsMode {
  const moduli = Float64Array.from(drawn, (values) => nearest(mode, values).modulus).sort();
  const at = (share: number) => moduli[Math.round(share * (moduli.length - 1))];
  const modulusInterval = [at(TAIL), at(1 - TAIL)] as const;
  const angle = Math.abs(Math.atan2(mode.imaginary, mode.real));
  return {
    ...mode,
    modulusInterval,
    timeConstant: timeConstant(mode.modulus),
    timeConstantInterval: [timeConstant(modulusInterval[0]), timeConstant(modulusInterval[1])],
    period: angle === 0 ? Infinity : 2 * Math.PI / angle,
  };
}

/** −1/ln|λ| in frames: how long a mode takes to fall to 1/e; Infinity where it does not. */
export function timeConstant(modulus: number): number {
  if (modulus >= 1) return Infinity;
  return modulus > 0 ? -1 / Math.log(modulus) : 0;
}

/** The eigenvalue closest in the complex plane. */
export function nearest(
  { real, imaginary }: Pick<Eigenvalue, "real" | "imaginary">,
  values: readonly Eigenvalue[],
): Eigenvalue {
  const distance = (value: Eigenvalue) =>
    Math.hypot(value.real - real, value.imaginary - imaginary);
  return values.reduce((best, value) => distance(value) < distance(best) ? value : best);
}
