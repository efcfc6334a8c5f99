/**
 * The recurrent VAE written down plainly, as [recurrent-vae §3.5, §4] read: one frame after the other on the gradient
 * tape of TensorFlow.js. Holds every activation of every frame; exists to check the time-parallel step.
 */
import type { Triple } from "../../src/backends/kernel_contract.ts";
import { toHost, toScalar, toTensor } from "../../src/backends/tensors.ts";
import type { FloatArray } from "../../src/base/arrays.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { groupCount } from "../../src/models/recurrent_vae/config.ts";
import type { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { conv3d } from "../../src/ops/conv3d.ts";
import { convTranspose3d } from "../../src/ops/conv_transpose3d.ts";
import { linear } from "../../src/ops/linear.ts";
import { batchNormActivation, groupNormActivation } from "../../src/ops/norm_activation.ts";
import "../../src/ops/stock_gradients.ts";

/** Statistics one layer saw in one frame. */
interface FrameStatistics {
  readonly mean: tf.Tensor;
  readonly variance: tf.Tensor;
  readonly count: number;
}

/** Result of {@link unrolledStep}. */
export interface UnrolledResult {
  readonly loss: number;
  /** By parameter key, memory order. */
  readonly gradients: Map<string, FloatArray>;
  /** Running buffers afterwards, by key. */
  readonly buffers: Map<string, FloatArray>;
}

/** Loss, gradients and running buffers of one batch, by the tape over all frames. */
export async function unrolledStep(
  model: RecurrentVae,
  batch: FrameBatch,
  { noise, initialState }: { noise: FloatArray; initialState: FloatArray },
): Promise<UnrolledResult> {
  const { tolTime, latentDim } = model.config;
  const subjects = batch.subjects.length;
  const [x, y, z] = batch.spatialShape;
  const frames: tf.Tensor[] = [];
  for (let t = 0; t < tolTime; t++) {
    frames.push(toTensor(await batch.read(t, 1), [subjects, z, y, x, 1]));
  }
  const network = new PlainNetwork(model);
  const epsilon = toTensor(noise, [tolTime, subjects, latentDim]);
  const start = toTensor(initialState, [subjects, latentDim]);
  const variables = [...model.variables];
  const { value, grads } = tf.variableGrads(
    () => rollout(model, network, { frames, epsilon, start, rows: batch.subjects }) as tf.Scalar,
    variables.map(([, variable]) => variable),
  );
  const gradients = new Map<string, FloatArray>();
  for (const [key, variable] of variables) {
    gradients.set(key, await toHost(grads[variable.name]));
  }
  const [loss] = await toHost(value);
  const buffers = await network.runningBuffers();
  tf.dispose([value, ...Object.values(grads), ...frames, epsilon, start]);
  network.dispose();
  return { loss, gradients, buffers };
}

function rollout(
  model: RecurrentVae,
  network: PlainNetwork,
  given: { frames: tf.Tensor[]; epsilon: tf.Tensor; start: tf.Tensor; rows: readonly number[] },
): tf.Tensor {
  const { config, state } = model;
  const [subjects, frames] = [given.rows.length, given.frames.length];
  const transition = state.tensor("F_mat");
  const offsets = tf.gather(state.tensor("z_vectors"), tf.tensor1d([...given.rows], "int32"));
  const noise = tf.unstack(given.epsilon);
  let h = given.start;
  let loss = tf.mul(
    tf.sum(tf.abs(state.tensor("z_vectors"))),
    toScalar(config.lambdaZ),
  );
  for (let t = 0; t < frames; t++) {
    const gh = tf.matMul(h as tf.Tensor2D, transition as tf.Tensor2D, false, true);
    const code = tf.concat([network.encode(given.frames[t]), h], 1);
    const mu = head(model, "hidden2mu", code);
    const logVar = head(model, "hidden2log_var", code);
    h = tf.add(mu, tf.mul(tf.exp(tf.mul(logVar, toScalar(0.5))), noise[t]));
    const residual = tf.sub(given.frames[t], network.decode(tf.add(h, offsets)));
    const scale = 1 / (2 * subjects * frames);
    loss = tf.add(
      loss,
      tf.mul(tf.sum(tf.square(residual)), toScalar(scale / config.sigX ** 2)),
    );
    loss = tf.add(loss, temporalTerm(model, { h, gh, mu, logVar }, subjects * frames));
  }
  return loss;
}

function temporalTerm(
  { config }: RecurrentVae,
  { h, gh, mu, logVar }: { h: tf.Tensor; gh: tf.Tensor; mu: tf.Tensor; logVar: tf.Tensor },
  count: number,
): tf.Tensor {
  const variance = config.sigH ** 2;
  if (config.temporalLoss === "squared") {
    return tf.mul(tf.sum(tf.square(tf.sub(h, gh))), toScalar(1 / (2 * count * variance)));
  }
  const spread = tf.mul(
    tf.add(tf.exp(logVar), tf.square(tf.sub(mu, gh))),
    toScalar(1 / (2 * variance)),
  );
  const divergence = tf.add(
    tf.sub(spread, tf.mul(logVar, toScalar(0.5))),
    toScalar(Math.log(config.sigH) - 0.5),
  );
  return tf.mul(tf.sum(divergence), toScalar(config.klWeight / count));
}

function head({ state }: RecurrentVae, name: string, x: tf.Tensor): tf.Tensor {
  return linear(x, state.tensor(`${name}.weight`), { bias: state.tensor(`${name}.bias`) });
}

/** Encoder and decoder of one frame, in training mode. */
class PlainNetwork {
  readonly #model: RecurrentVae;
  readonly #statistics = new Map<string, FrameStatistics[]>();

  constructor(model: RecurrentVae) {
    this.#model = model;
  }

  encode(volumes: tf.Tensor): tf.Tensor {
    const { architecture, state } = this.#model;
    let x = volumes;
    architecture.levels.forEach((_, l) => {
      const name = `encoder${l + 1}`;
      x = conv3d(x, state.tensor(`${name}.0.weight`), {
        bias: state.tensor(`${name}.0.bias`),
        stride: 2,
        padding: 1,
      });
      x = this.#norm(`${name}.1`, x);
    });
    const flat = tf.reshape(x, [x.shape[0], x.size / x.shape[0]]);
    return tf.tanh(head(this.#model, `encoder${architecture.levels.length + 1}.1`, flat));
  }

  decode(latents: tf.Tensor): tf.Tensor {
    const { architecture, config, state } = this.#model;
    const { levels, bottom, decoder } = architecture;
    const shape = [latents.shape[0], bottom[2], bottom[1], bottom[0], decoder[0].inChannels];
    let x = tf.reshape(head(this.#model, "decoder1.0", latents), shape);
    x = this.#norm("decoder1.2", x);
    for (let l = 0; l < levels.length; l++) {
      const [nx, ny, nz] = levels[levels.length - 1 - l].fine;
      x = convTranspose3d(x, state.tensor(`decoder${l + 2}.0.weight`), {
        stride: 2,
        padding: 1,
        outputSize: [nz, ny, nx] as Triple,
      });
      if (l < levels.length - 1) x = this.#norm(`decoder${l + 2}.1`, x);
    }
    return config.outputActivation === "tanh" ? tf.tanh(x) : tf.clipByValue(x, -3, 3);
  }

  /** s ← 0.9·s + 0.1·value, frame after frame, the variance unbiased. */
  async runningBuffers(): Promise<Map<string, FloatArray>> {
    const { state } = this.#model;
    const buffers = new Map<string, FloatArray>();
    for (const [layer, frames] of this.#statistics) {
      const mean = Float64Array.from(state.buffer(`${layer}.running_mean`));
      const variance = Float64Array.from(state.buffer(`${layer}.running_var`));
      for (const frame of frames) {
        const means = await toHost(frame.mean);
        const variances = await toHost(frame.variance);
        const unbiased = frame.count / (frame.count - 1);
        mean.forEach((_, c) => {
          mean[c] = 0.9 * mean[c] + 0.1 * means[c];
          variance[c] = 0.9 * variance[c] + 0.1 * unbiased * variances[c];
        });
      }
      buffers.set(`${layer}.running_mean`, mean).set(`${layer}.running_var`, variance);
    }
    return buffers;
  }

  dispose(): void {
    for (const frames of this.#statistics.values()) {
      for (const { mean, variance } of frames) tf.dispose([mean, variance]);
    }
  }

  #norm(layer: string, x: tf.Tensor): tf.Tensor {
    const { config, state } = this.#model;
    const affine = { gamma: state.tensor(`${layer}.weight`), beta: state.tensor(`${layer}.bias`) };
    if (config.normalization === "group") {
      return groupNormActivation(x, affine, { groups: groupCount(affine.gamma.size) }).y;
    }
    const { y, mean, variance } = batchNormActivation(x, affine);
    const seen = this.#statistics.get(layer) ?? [];
    const count = x.size / affine.gamma.size;
    seen.push({ mean: tf.keep(mean.clone()), variance: tf.keep(variance.clone()), count });
    this.#statistics.set(layer, seen);
    return y;
  }
}
