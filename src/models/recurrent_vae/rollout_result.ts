/**
 * Result of a model's forward pass [recurrent-vae §3.5].
 */
import type { NdArray } from "../../base/arrays.ts";
import type { LossTerms } from "./losses/terms.ts";
import { emptyLike } from "./inputs.ts";
import { inKind, type Like, type Values } from "./arrays_or_tensors.ts";

/**
 * Everything a forward pass gives. `mu` is the **reconstruction**, as in the reference; the posterior's
 * mean is `posteriorMean`. Unpacks as the reference's result does, into four lists of length T:
 *
 * ```ts ignore
 * const [x, mu, h, gh] = await model.forward(volumes);
 * ```
 */
export class ForwardResult<V extends Values = NdArray> implements Iterable<V[]> {
  /** Input frames `[B, T, Z, Y, X]`. */
  readonly x: V;
  /** Reconstructions, shape of `x`. */
  readonly mu: V;
  /** Sampled states `[B, T, D]`. */
  readonly h: V;
  /** Prior means g(h of the step before) `[B, T, D]`. */
  readonly gh: V;
  /** Posterior mean `[B, T, D]`. */
  readonly posteriorMean: V;
  /** Posterior log-variance `[B, T, D]`. */
  readonly posteriorLogVar: V;
  /** Encoder outputs `[B, T, E]`. */
  readonly features: V;
  /** Loss terms of these runs. */
  readonly losses: LossTerms;
  readonly #kind: V;
  readonly #host: readonly NdArray[];

  /**
   * Made by the model.
   *
   * @param arrays On the host.
   * @param kind A value whose kind the fields take on.
   */
  constructor(
    arrays: {
      readonly x: NdArray;
      readonly mu: NdArray;
      readonly h: NdArray;
      readonly gh: NdArray;
      readonly posteriorMean: NdArray;
      readonly posteriorLogVar: NdArray;
      readonly features: NdArray;
      readonly losses: LossTerms;
    },
    kind: V,
  ) {
    const convert = (array: NdArray) => inKind(kind, array) as Like<V> as unknown as V;
    this.x = convert(arrays.x);
    this.mu = convert(arrays.mu);
    this.h = convert(arrays.h);
    this.gh = convert(arrays.gh);
    this.posteriorMean = convert(arrays.posteriorMean);
    this.posteriorLogVar = convert(arrays.posteriorLogVar);
    this.features = convert(arrays.features);
    this.losses = arrays.losses;
    this.#kind = kind;
    this.#host = [arrays.x, arrays.mu, arrays.h, arrays.gh];
  }

  /** Four lists of length T, in the order x, mu, h, gh; entry t has the shape without the time axis. */
  *[Symbol.iterator](): Iterator<V[]> {
    for (const array of this.#host) {
      yield framesOf(array).map((frame) => inKind(this.#kind, frame) as unknown as V);
    }
  }
}

/** `[B, T, …]` → T arrays `[B, …]`. */
function framesOf({ data, shape }: NdArray): NdArray[] {
  const [batch, frames, ...rest] = shape;
  const size = data.length / (batch * frames);
  return Array.from({ length: frames }, (_, t) => {
    const frame = emptyLike(data, batch * size);
    for (let b = 0; b < batch; b++) {
      const from = (b * frames + t) * size;
      frame.set(data.subarray(from, from + size), b * size);
    }
    return { data: frame, shape: [batch, ...rest] };
  });
}
