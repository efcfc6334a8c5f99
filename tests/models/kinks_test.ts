/** The golden tests' helper for units on LeakyReLU's kink: does it give the gradient of the other branch? */
import { currentEngine } from "../../src/backends/current_engine.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { decoderForward } from "../../src/models/recurrent_vae/decoder.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import type { StateDict } from "../../src/parameters/state_dict.ts";
import { relativeError } from "../support/fixture_tensors.ts";
import { hostGradients } from "../support/golden_model.ts";
import { branchGradients } from "../support/kinks.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import { randomRuns } from "../support/random_model.ts";

const SHAPE = [9, 8, 8] as const;
const OPTIONS = { spatialShape: SHAPE, channels: [4, 8], tolTime: 2, latentDim: 3, encOutDim: 6 };
const STEP = {
  volumes: randomRuns(SHAPE, { batch: 2, frames: 2, seed: 1 }),
  rows: [0, 1],
  noise: { data: RandomStream.fromSeed(2).normals64(12), shape: [2, 2, 3] },
  initialState: { data: new Float64Array(3), shape: [1, 3] },
};

/** A model on which the first unit of decoder2's norm layer has exactly the given value, in float64. */
async function weightsWithUnitAt(value: number): Promise<StateDict> {
  const model = new RecurrentVae(OPTIONS, { subjects: 2 });
  const { volumes, rows: subjects, noise, initialState } = STEP;
  const { h } = await model.forward(volumes, { subjects, noise, initialState });
  const table = await model.subjectOffsets();
  // Sample 0 is frame 0 of subject 0; the batch statistics need all four samples.
  const latents = new Float64Array(12);
  for (let n = 0; n < 4; n++) {
    const [t, b] = [Math.floor(n / 2), n % 2];
    for (let d = 0; d < 3; d++) {
      latents[n * 3 + d] = h.data[(b * 2 + t) * 3 + d] + table.data[b * 3 + d];
    }
  }
  const network = { state: model.state, normalization: "batch", training: true } as const;
  const pass = decoderForward(network, model.architecture, {
    x: toTensor(latents, [4, 3]),
    frames: 2,
  });
  const [first] = await toHost(pass.blocks[1].y);
  const unit = first > 0 ? first : 5 * first;
  const state = await model.stateDict();
  const bias = state.get("decoder2.1.bias")!;
  const data = Float64Array.from(bias.data as Float64Array);
  data[0] += value - unit;
  model.dispose();
  return new Map([...state, ["decoder2.1.bias", { data, shape: bias.shape }]]);
}

Deno.test("the gradient of the branch an engine took is the one beyond the kink", async () => {
  await selectBackend("reference");
  tf.engine().startScope();
  const [above, below] = [await weightsWithUnitAt(2e-7), await weightsWithUnitAt(-2e-7)];
  tf.engine().endScope();
  const gradientsOf = async (weights: StateDict) => {
    const model = new RecurrentVae(OPTIONS, { subjects: 2, weights });
    const { volumes, noise, initialState } = STEP;
    const { gradients } = await model.computeGradients(frameBatchOf(volumes), {
      noise,
      initialState,
      framesPerChunk: 2,
    });
    return await hostGradients(model.architecture.entries, gradients);
  };
  const expected = { above: await gradientsOf(above), below: await gradientsOf(below) };
  // The "engine" is one whose bias rounds the other way.
  const found = await branchGradients("cpu", {
    ...STEP,
    model: () => {
      const weights = currentEngine()!.name === "reference" ? above : below;
      return new RecurrentVae(OPTIONS, { subjects: 2, weights });
    },
  });
  assertEquals(found.kinks, 1);
  const key = "decoder1.2.weight";
  const jump = relativeError(expected.above.get(key)!, expected.below.get(key)!);
  assert(jump > 1e-4, `crossing the kink changes the gradient by ${jump} only`);
  for (const [name, gradient] of found.gradients) {
    const size = Math.hypot(...Array.from(gradient));
    if (size < 1e-9) continue;
    const error = relativeError(gradient, expected.below.get(name)!);
    assert(error < 1e-2 * jump, `${name}: ${error} against a jump of ${jump}`);
  }
});
