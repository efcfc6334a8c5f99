/** LSTMs that read a sequence and write it again [brain-sequence §5.3]. */
import { tf } from "../../deps/tfjs.ts";
import { lstm } from "../../ops/lstm.ts";
import { tanh } from "../../ops/activations.ts";
import { concatenate, slice } from "../../ops/parts.ts";
import { type ParameterEntry, plainEntry, uniformByFanIn } from "../../parameters/entry.ts";
import { linearEntries, normEntries } from "../../parameters/layers.ts";
import type { SequenceConfig } from "./config.ts";
import { dense, drop, norm, type Pass } from "./layers.ts";

/** Entries of encoder and decoder; without decoder for decoding. */
export function autoencoderEntries({ layers, embeddingDim: E }: SequenceConfig): ParameterEntry[] {
  const width = { inputs: [E], outputs: [E] };
  const cells = (name: string, suffixes: string[]) =>
    suffixes.flatMap((suffix) =>
      [["weight_ih", [4 * E, E]], ["weight_hh", [4 * E, E]], ["bias_ih", [4 * E]], ["bias_hh", [
        4 * E,
      ]]]
        .map(([part, shape]) =>
          plainEntry(`${name}.${part}_l0${suffix}`, {
            shape: shape as number[],
            start: uniformByFanIn(E),
          })
        )
    );
  const stack = (part: string, suffixes: string[]) => [
    ...Array.from({ length: layers }, (_, i) => cells(`decoder.${part}.lstms.${i}`, suffixes))
      .flat(),
    ...Array.from(
      { length: layers - 1 },
      (_, i) => normEntries(`decoder.${part}.layer_norms.${i}.0`, { channels: E }),
    ).flat(),
  ];
  return [
    ...linearEntries("decoder.encoder.pooler_layer.1", width),
    ...stack("encoder", ["", "_reverse"]),
    ...stack("decoder", [""]),
    ...linearEntries("decoder.decoder.linear_output_layer.1", width),
  ];
}

/** What the encoder found. */
export interface Encoded {
  /** Outputs of every layer, `[B, T, E]`. */
  readonly layers: readonly { readonly outputs: tf.Tensor; readonly states: State[] }[];
  /** `[B, E]`: the mean of the last states of both directions. */
  readonly hiddenMean: tf.Tensor;
  /** `[B, E]`. */
  readonly pooled: tf.Tensor;
}

/** Hidden state and cell, `[B, E]` each. */
export interface State {
  readonly h: tf.Tensor;
  readonly c: tf.Tensor;
}

/** Bidirectional layers; each starts from the states with which the one before ended. */
export function encodeSequence(pass: Pass, x: tf.Tensor): Encoded {
  const layers: { outputs: tf.Tensor; states: State[] }[] = [];
  let input = x;
  for (let i = 0; i < pass.config.layers; i++) {
    const name = `decoder.encoder.lstms.${i}`;
    if (i > 0) input = between(pass, "encoder", { i, input, outputs: layers[i - 1].outputs });
    const runs = ["", "_reverse"].map((suffix, direction) =>
      lstm(input, cellWeights(pass, name, suffix), {
        reverse: direction === 1,
        ...startOf(layers[i - 1]?.states[direction]),
      })
    );
    const outputs = tf.mul(tf.add(runs[0].states, runs[1].states), 0.5);
    layers.push({ outputs, states: runs.map(({ last, lastCell }) => ({ h: last, c: lastCell })) });
  }
  const [forward, backward] = layers.at(-1)!.states;
  const hiddenMean = tf.mul(tf.add(forward.h, backward.h), 0.5);
  const pooled = dense(
    pass,
    "decoder.encoder.pooler_layer.1",
    drop(pass, "hidden mean", hiddenMean),
  );
  return { layers, hiddenMean, pooled: drop(pass, "pooled", tanh(pooled)) };
}

/**
 * Writes the sequence volume by volume.
 *
 * @param encoded What {@link encodeSequence} found.
 * @param options T, and the inputs `[B, T, E]` of a teacher; without them every output is the next input.
 * @returns `[B, T, E]`.
 */
export function decodeSequence(
  pass: Pass,
  { hiddenMean, pooled }: Encoded,
  { length, teacher }: { readonly length: number; readonly teacher: tf.Tensor | null },
): tf.Tensor {
  let state: State = { h: hiddenMean, c: tf.zeros(hiddenMean.shape) };
  let input: tf.Tensor = pooled;
  const outputs: tf.Tensor[] = [];
  for (let t = 0; t < length; t++) {
    if (teacher) input = teacherInput(pass, { teacher, pooled, t });
    const step = decodeStep(pass, input, { state, t });
    state = step.state;
    input = step.output;
    outputs.push(tf.expandDims(step.output, 1));
  }
  return concatenate(outputs, 1);
}

function teacherInput(
  { config: { compatibility } }: Pass,
  { teacher, pooled, t }: { teacher: tf.Tensor; pooled: tf.Tensor; t: number },
): tf.Tensor {
  const from = compatibility.unshiftedTeacher ? t : t - 1;
  if (from < 0) return pooled;
  return tf.squeeze(slice(teacher, { axis: 1, begin: from, length: 1 }), [1]);
}

function decodeStep(pass: Pass, x: tf.Tensor, at: { state: State; t: number }) {
  let { state } = at;
  let input = tf.expandDims(x, 1);
  let outputs = input;
  for (let i = 0; i < pass.config.layers; i++) {
    if (i > 0) input = between(pass, "decoder", { i, input, outputs, at: at.t });
    const run = lstm(input, cellWeights(pass, `decoder.decoder.lstms.${i}`, ""), startOf(state));
    state = { h: run.last, c: run.lastCell };
    outputs = run.states;
  }
  const last = drop(pass, `output ${at.t}`, tf.squeeze(outputs, [1]));
  const output = dense(pass, "decoder.decoder.linear_output_layer.1", last);
  return { state, output: drop(pass, `written ${at.t}`, output) };
}

/** The input of layer i: outputs and inputs of the layer before, added and normalised. */
function between(
  pass: Pass,
  part: string,
  { i, input, outputs, at = 0 }: { i: number; input: tf.Tensor; outputs: tf.Tensor; at?: number },
): tf.Tensor {
  const sum = norm(pass, `decoder.${part}.layer_norms.${i - 1}.0`, tf.add(outputs, input));
  return drop(pass, `${part} ${i} ${at}`, sum);
}

function cellWeights(pass: Pass, name: string, suffix: string) {
  return {
    weightIh: pass.tensor(`${name}.weight_ih_l0${suffix}`),
    weightHh: pass.tensor(`${name}.weight_hh_l0${suffix}`),
    biasIh: pass.tensor(`${name}.bias_ih_l0${suffix}`),
    biasHh: pass.tensor(`${name}.bias_hh_l0${suffix}`),
  };
}

function startOf(state: State | undefined) {
  return state ? { initialState: state.h, initialCell: state.c } : {};
}
