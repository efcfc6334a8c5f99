/**
 * LeakyReLU has two derivatives at 0. A unit whose float64 value lies within float32 rounding of 0 may fall on
 * either side on an engine, and its gradient then jumps by up to 1e-4 at full size: no error, but another
 * branch. Here the float64 gradient of the branch that an engine took is computed, so that it can be held
 * to the same tolerance as any other.
 */
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import type { BackendName } from "../../src/backends/engine.ts";
import type { FloatArray, NdArray } from "../../src/base/arrays.ts";
import { assert } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { offsetPenaltyGradient } from "../../src/models/recurrent_vae/losses/penalties.ts";
import { reconstructionFactor } from "../../src/models/recurrent_vae/losses/reconstruction.ts";
import {
  decoderBackward,
  decoderForward,
  reconstructionError,
} from "../../src/models/recurrent_vae/decoder.ts";
import { encoderBackward, encoderForward } from "../../src/models/recurrent_vae/encoder.ts";
import { headsOf } from "../../src/models/recurrent_vae/latent_chain.ts";
import { selectRows } from "../../src/models/recurrent_vae/offsets.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import { latentBackward, latentForward } from "../../src/models/recurrent_vae/latent_chain.ts";
import type { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import type { Network, NormActivations } from "../../src/models/recurrent_vae/norm.ts";
import { temporalGradient } from "../../src/models/recurrent_vae/objective.ts";
import { hostGradients } from "./golden_model.ts";

/** How far from 0 a unit may be in float64 and still fall on the other side in float32. */
const ROUNDING = 1e-6;

/** One training step, all frames in one chunk. */
export interface StepCase {
  /** Builds the model on the current engine. */
  readonly model: () => RecurrentVae;
  /** `[B, T, Z, Y, X]` and its subject rows. */
  readonly volumes: NdArray;
  readonly rows: readonly number[];
  /** `[T, B, D]` and `[1, D]`. */
  readonly noise: NdArray;
  readonly initialState: NdArray;
}

/** A unit on which an engine and float64 disagree about the side. */
interface Kink {
  readonly layer: string;
  readonly index: number;
}

/** Result of {@link branchGradients}. */
export interface BranchGradients {
  /** Units on the other side. */
  readonly kinks: number;
  /** float64 gradients in file order, by key. */
  readonly gradients: ReadonlyMap<string, ArrayLike<number>>;
}

/**
 * float64 gradients with every LeakyReLU on the side that the engine took. Leaves the engine selected.
 *
 * Fails when a unit is on the other side whose float64 value is not within rounding of 0.
 */
export async function branchGradients(
  engine: BackendName,
  step: StepCase,
): Promise<BranchGradients> {
  await selectBackend(engine);
  const sides = await forwardPass(step, (pass) => unitsOf(pass));
  await selectBackend("reference");
  const result = await forwardPass(step, async (pass) => {
    const kinks: Kink[] = [];
    for (const [layer, values] of await unitsOf(pass)) {
      const other = sides.get(layer)!;
      values.forEach((value, index) => {
        if ((value > 0) === (other[index] > 0)) return;
        assert(Math.abs(value) < ROUNDING, `${layer}, unit ${index}: ${value} and ${other[index]}`);
        kinks.push({ layer, index });
      });
    }
    const moved = await moveKinks(pass, kinks);
    return { kinks: kinks.length, gradients: await backwardPass(step, moved) };
  });
  await selectBackend(engine);
  return result;
}

type Pass = ReturnType<typeof computeForward> extends Promise<infer P> ? P : never;

async function forwardPass<Result>(
  step: StepCase,
  use: (pass: Pass) => Promise<Result>,
): Promise<Result> {
  tf.engine().startScope();
  const pass = await computeForward(step);
  const result = await use(pass);
  pass.model.dispose();
  tf.engine().endScope();
  return result;
}

async function computeForward({ model: build, volumes, rows, noise, initialState }: StepCase) {
  const model = build();
  const { config, state, architecture } = model;
  const [frames, subjects, dim] = noise.shape;
  const batch = frameBatchOf(volumes, rows);
  const [x, y, z] = batch.spatialShape;
  const values = await batch.read(0, frames);
  const target = toTensor(values, [frames * subjects, z, y, x, 1]);
  const network: Network = { state, normalization: config.normalization, training: true };
  const encoder = encoderForward(network, architecture, { x: target, frames });
  const latent = {
    features: tf.reshape(encoder.features, [frames, subjects, config.encOutDim]),
    noise: toTensor(noise.data, noise.shape),
    initialState: tf.tile(toTensor(initialState.data, [1, dim]), [subjects, 1]),
    heads: headsOf(state),
    transition: state.tensor("F_mat"),
  };
  const states = latentForward(latent);
  const selection = selectRows(rows, state.tensor("z_vectors").shape[0]);
  const offsets = tf.matMul(selection, state.tensor("z_vectors") as tf.Tensor2D);
  const input = tf.reshape(tf.add(states.h, offsets), [frames * subjects, dim]);
  const decoder = decoderForward(network, architecture, { x: input, frames });
  return { model, network, target, encoder, latent, states, selection, decoder };
}

/** Outputs of all norm layers. */
async function unitsOf({ encoder, decoder }: Pass): Promise<Map<string, FloatArray>> {
  const units = new Map<string, FloatArray>();
  for (const { layer, y } of [...encoder.blocks, ...decoder.blocks]) {
    units.set(layer, await toHost(y));
  }
  return units;
}

/** The same activations with the input of each kink's norm layer moved across 0. */
async function moveKinks(pass: Pass, kinks: readonly Kink[]): Promise<Pass> {
  const move = async (block: NormActivations): Promise<NormActivations> => {
    const own = kinks.filter(({ layer }) => layer === block.layer);
    if (own.length === 0) return block;
    const [x, y, gamma, variance] = await Promise.all([
      block.x,
      block.y,
      pass.model.state.tensor(`${block.layer}.weight`),
      block.statistics!.variance,
    ].map(toHost));
    const channels = gamma.length;
    const perGroup = x.length / (variance.length / channels);
    for (const { index } of own) {
      const group = Math.floor(index / perGroup);
      const slope = gamma[index % channels] /
        Math.sqrt(variance[group * channels + index % channels] + 1e-5);
      const value = y[index] > 0 ? y[index] : 5 * y[index];
      x[index] -= (2 * value + Math.sign(value) * 1e-12) / slope;
    }
    return { ...block, x: toTensor(x, block.x.shape) };
  };
  const all = (blocks: readonly NormActivations[]) => Promise.all(blocks.map(move));
  return {
    ...pass,
    encoder: { ...pass.encoder, blocks: await all(pass.encoder.blocks) },
    decoder: { ...pass.decoder, blocks: await all(pass.decoder.blocks) },
  };
}

function backwardPass(step: StepCase, pass: Pass): Promise<Map<string, ArrayLike<number>>> {
  const { model, network, target, encoder, latent, states, selection, decoder } = pass;
  const { config, state, architecture } = model;
  const [frames, subjects, dim] = step.noise.shape;
  const { derivative } = reconstructionError(decoder.output, target, {
    activation: config.outputActivation,
    frames,
    weight: null,
    scale: reconstructionFactor({ sigma: config.sigX, batch: subjects, frames }),
  });
  const { input, parameters } = decoderBackward(network, decoder, { derivative, parameters: true });
  const towardsStates = tf.reshape(input, [frames, subjects, dim]);
  const back = latentBackward(latent, states, {
    decoder: towardsStates,
    temporal: temporalGradient(config, states),
  });
  const towardsFeatures = tf.reshape(back.features, encoder.features.shape);
  const gradients = new Map([
    ...encoderBackward(network, encoder, towardsFeatures),
    ...parameters,
    ["hidden2mu.weight", back.heads.muWeight],
    ["hidden2mu.bias", back.heads.muBias],
    ["hidden2log_var.weight", back.heads.logVarWeight],
    ["hidden2log_var.bias", back.heads.logVarBias],
    [
      "z_vectors",
      tf.add(
        tf.matMul(selection, tf.sum(towardsStates, 0) as tf.Tensor2D, true, false),
        offsetPenaltyGradient(state.tensor("z_vectors"), config.lambdaZ),
      ),
    ],
  ] as [string, tf.Tensor][]);
  return hostGradients(architecture.entries, gradients);
}
