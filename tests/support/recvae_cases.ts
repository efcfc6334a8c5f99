/** The parity fixtures as this library's inputs: models, batches and layouts. */
import type { FloatArray, NdArray } from "../../src/base/arrays.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import type { RecurrentVaeOptions } from "../../src/models/recurrent_vae/config.ts";
import type { StateDict } from "../../src/parameters/state_dict.ts";
import type { FixtureTensors } from "./fixture_tensors.ts";

/** Numbers of the manifest's config entry that make a model. */
export interface FixtureConfig {
  readonly spatial: readonly [number, number, number];
  readonly T: number;
  readonly batch: number;
  readonly subjects: number;
  readonly sig_x: number;
  readonly sig_h: number;
  readonly lambda_z: number;
  readonly rho: number;
}

/** The model of a fixture with the weights under a prefix, e.g. `"init"`. */
export function fixtureModel(
  config: FixtureConfig,
  weights: StateDict,
  options: RecurrentVaeOptions = {},
): RecurrentVae {
  return new RecurrentVae({
    spatialShape: config.spatial,
    tolTime: config.T,
    batchSize: config.batch,
    sigX: config.sig_x,
    sigH: config.sig_h,
    lambdaZ: config.lambda_z,
    rho: config.rho,
    ...options,
  }, { subjects: config.subjects, weights });
}

/** Entries `<prefix>/<key>` of a fixture as a state dictionary, for the keys of a model's table. */
export function stateUnder(
  fixture: FixtureTensors,
  prefix: string,
  keys: readonly string[],
): StateDict {
  return new Map(keys.map((key) => [key, fixture.get(`${prefix}/${key}`)]));
}

/**
 * Volumes (N, 1, X, Y, Z, T) as PyTorch stores them → `[rows, T, Z, Y, X]`.
 *
 * @param rows Subjects to take, in order.
 */
export function volumesOf(stored: NdArray<FloatArray>, rows: readonly number[]): NdArray {
  const [, , x, y, z, t] = stored.shape;
  const size = x * y * z * t;
  const data = new (stored.data.constructor as Float32ArrayConstructor)(rows.length * size);
  rows.forEach((row, b) => {
    const subject = stored.data.subarray(row * size, (row + 1) * size);
    data.set(reversedAxes(subject, [x, y, z, t]), b * size);
  });
  return { data, shape: [rows.length, t, z, y, x] };
}

/** Volumes (…, X, Y, Z) ↔ `[…, Z, Y, X]`: reverses the last three axes of every volume. */
export function flipVolumes(values: FloatArray, axes: readonly number[]): FloatArray {
  const size = axes.reduce((product, n) => product * n, 1);
  const result = values.slice() as FloatArray;
  for (let start = 0; start < values.length; start += size) {
    result.set(reversedAxes(values.subarray(start, start + size), axes), start);
  }
  return result;
}

/** Row-major with axes `dims` → row-major with the axes reversed. */
function reversedAxes(values: FloatArray, dims: readonly number[]): FloatArray {
  const result = values.slice() as FloatArray;
  const [a, b, c, d = 1] = dims;
  let from = 0;
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      for (let k = 0; k < c; k++) {
        for (let l = 0; l < d; l++) result[((l * c + k) * b + j) * a + i] = values[from++];
      }
    }
  }
  return result;
}
