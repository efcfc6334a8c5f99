/** A linear way past the network, started from principal axes [streamlines §4.6]. */
import type { NdArray, NumericArray } from "../../base/arrays.ts";
import { tf } from "../../deps/tfjs.ts";
import type { ParameterEntry } from "../../parameters/entry.ts";
import { linearEntries } from "../../parameters/layers.ts";
import type { CompleteConfig } from "./config.ts";
import { type NetworkUse, runHead } from "./network.ts";

/** Principal axes of the training set in the network's units. */
export interface PrincipalAxes {
  /** `[3P]`. */
  readonly mean: Float64Array;
  /** `[D, 3P]`, orthonormal rows. */
  readonly axes: Float64Array;
  /** Divisor of each score, `[D]`: 1 keeps distances, their deviation makes them of unit variance. */
  readonly divisors: Float64Array;
}

/**
 * Entries of the two linear maps.
 *
 * @param config Of the network.
 */
export function shortcutEntries({ points, latentDim }: CompleteConfig): ParameterEntry[] {
  return [
    ...linearEntries("shortcut.encoder", { inputs: [3 * points], outputs: [latentDim] }),
    ...linearEntries("shortcut.decoder", { inputs: [latentDim], outputs: [3 * points] }),
  ];
}

/** `[B, P, 3]` → `[B, D]`. */
export function shortcutCode(x: tf.Tensor, use: NetworkUse): tf.Tensor {
  return runHead(tf.reshape(x, [x.shape[0], -1]), "shortcut.encoder", use);
}

/** `[B, D]` → `[B, P, 3]`. */
export function shortcutPoints(z: tf.Tensor, use: NetworkUse): tf.Tensor {
  return tf.reshape(runHead(z, "shortcut.decoder", use), [z.shape[0], -1, 3]);
}

/**
 * Weights with which a model begins as principal components: the maps are the axes, and the last layers of the network
 * give nothing yet.
 *
 * @param state The model's starting values.
 * @param principal The axes.
 * @param silent Layers that begin at zero: `"encoder.fc1"`, `"decoder.conv6"`.
 */
export function principalStart(
  state: ReadonlyMap<string, NdArray<NumericArray>>,
  { mean, axes, divisors }: PrincipalAxes,
  silent: readonly string[],
): Map<string, NdArray<NumericArray>> {
  const started = new Map(state);
  const [D, W] = [divisors.length, mean.length];
  const encoder = new Float32Array(D * W);
  const decoder = new Float32Array(D * W);
  const bias = new Float32Array(D);
  for (let d = 0; d < D; d++) {
    for (let i = 0; i < W; i++) {
      encoder[d * W + i] = axes[d * W + i] / divisors[d];
      decoder[i * D + d] = axes[d * W + i] * divisors[d];
      bias[d] -= (axes[d * W + i] * mean[i]) / divisors[d];
    }
  }
  const put = (key: string, data: Float32Array) =>
    started.set(key, { data, shape: state.get(key)!.shape });
  put("shortcut.encoder.weight", encoder);
  put("shortcut.encoder.bias", bias);
  put("shortcut.decoder.weight", decoder);
  put("shortcut.decoder.bias", Float32Array.from(mean));
  for (const layer of silent) {
    for (const part of ["weight", "bias"]) {
      const key = `${layer}.${part}`;
      put(key, new Float32Array(state.get(key)!.data.length));
    }
  }
  return started;
}
