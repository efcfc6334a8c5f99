/** Grids people have: fMRIPrep's, coarse ones, single frames, single subjects; wasm against the plain cpu engine. */
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost } from "../../src/backends/tensors.ts";
import type { FloatArray, SpatialShape } from "../../src/base/arrays.ts";
import { assert, assertAlmostEquals, assertEquals, assertLess } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import type { RecurrentVaeOptions } from "../../src/models/recurrent_vae/config.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { randomRuns } from "../support/random_model.ts";

/** A configuration with its sizes. */
type SizedOptions = RecurrentVaeOptions & {
  readonly spatialShape: SpatialShape;
  readonly tolTime: number;
};

interface Step {
  readonly loss: number;
  readonly states: FloatArray;
  readonly gradients: ReadonlyMap<string, FloatArray>;
}

/** One training step of a fresh model on one engine. */
async function stepOn(
  engine: "cpu" | "wasm",
  options: SizedOptions,
  subjects: number,
): Promise<Step> {
  await selectBackend(engine);
  const model = new RecurrentVae(options, { subjects });
  const { data, shape } = randomRuns(options.spatialShape, {
    batch: subjects,
    frames: options.tolTime,
    seed: 4,
  });
  const batch = frameBatchOf({ data: Float32Array.from(data), shape });
  const { losses, gradients, states } = await model.computeGradients(batch);
  const host = new Map<string, FloatArray>();
  for (const [name, gradient] of gradients) host.set(name, await toHost(gradient));
  tf.dispose([...gradients.values()]);
  model.dispose();
  return { loss: losses.loss, states: states.data, gradients: host };
}

/** ‖a − b‖/‖b‖; 0 where both vanish. */
function distance(a: FloatArray, b: FloatArray): number {
  let difference = 0, size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / size);
}

/** Two float32 engines, each as near to float64 as PyTorch's own float32 ([recurrent-vae §14]: 5e-6 at full size). */
const GRADIENT_TOLERANCE = 2e-5;

/** Whether a gradient is zero but for rounding: a bias before a norm that takes each channel's own mean. */
function vanishes(key: string, { normalization, channels = [] }: SizedOptions): boolean {
  const level = Number(/^encoder(\d)\.0\.bias$/.exec(key)?.[1]);
  return level > 0 && (normalization !== "group" || channels[level - 1] <= 8);
}

const GRIDS: [string, SpatialShape, { frames: number; subjects: number }, RecurrentVaeOptions][] = [
  ["97×115×97, one frame", [97, 115, 97], { frames: 1, subjects: 2 }, { channels: [2, 2, 2, 2] }],
  ["6×10×10, one subject", [6, 10, 10], { frames: 3, subjects: 1 }, {}],
  ["6×10×10, one subject, one frame", [6, 10, 10], { frames: 1, subjects: 1 }, {}],
  ["6×10×10, one subject, wide group norm", [6, 10, 10], { frames: 2, subjects: 1 }, {
    normalization: "group",
    channels: [8, 16],
  }],
  ["17×3×40", [17, 3, 40], { frames: 2, subjects: 2 }, {}],
];

for (const [name, spatialShape, { frames, subjects }, options] of GRIDS) {
  Deno.test(`a training step on ${name} is the same on wasm as on cpu`, async () => {
    const config: SizedOptions = {
      spatialShape,
      tolTime: frames,
      lambdaZ: 0.1,
      ...options,
    };
    const cpu = await stepOn("cpu", config, subjects);
    const wasm = await stepOn("wasm", config, subjects);
    assert(Number.isFinite(cpu.loss));
    assertAlmostEquals(wasm.loss / cpu.loss, 1, 1e-6);
    assertLess(distance(wasm.states, cpu.states), 1e-6);
    assertEquals([...wasm.gradients.keys()], [...cpu.gradients.keys()]);
    for (const [key, gradient] of cpu.gradients) {
      if (vanishes(key, config)) continue;
      assertLess(distance(wasm.gradients.get(key)!, gradient), GRADIENT_TOLERANCE, key);
    }
  });
}
