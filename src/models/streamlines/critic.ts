/**
 * What tells codes from draws of the prior: the original's network of convolutions over the code, or a dense one. Both are
 * piecewise linear, so that the gradient of their score in the input is again a product of weights that can be
 * differentiated [streamlines §4.4, §5].
 */
import { toScalar } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { leakyRelu } from "../../ops/activations.ts";
import { conv1d, convTranspose1d } from "../../ops/convolution.ts";
import { runDifferentiable } from "../../ops/differentiable.ts";
import { linear } from "../../ops/linear.ts";
import type { ParameterEntry, StartingValues } from "../../parameters/entry.ts";
import { convolutionEntries, linearEntries } from "../../parameters/layers.ts";

/** Which network. */
export type CriticKind = "convolutional" | "dense";

/** A network from codes to scores. */
export interface Critic {
  readonly entries: readonly ParameterEntry[];
  /** `[B, W]` → `[B, 1]`. */
  score(x: tf.Tensor, use: CriticUse): tf.Tensor;
  /** ∂score/∂x, `[B, W]`, without dropout; differentiable in the weights. */
  inputGradient(x: tf.Tensor, use: Pick<CriticUse, "tensor">): tf.Tensor;
}

/** How a pass gets at its parameters. */
export interface CriticUse {
  tensor(key: string): tf.Tensor;
  /** Dropout behind the convolutions, 0 and 1; none by default. */
  drop?(h: tf.Tensor, layer: number): tf.Tensor;
}

/** Derivative of LeakyReLU at x, as a constant. */
function leakyMask(x: tf.Tensor, slope: number): tf.Tensor {
  return runDifferentiable([x], {
    forward: ([input]) => tf.add(tf.mul(tf.step(input), toScalar(1 - slope)), toScalar(slope)),
    gradient: (dy) => [tf.zerosLike(dy)],
  });
}

function glorot(fanIn: number, fanOut: number): StartingValues {
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return { kind: "uniform", from: -bound, to: bound };
}

/** Slope of the original's LeakyReLU. */
const SLOPE = 0.3;

/**
 * The original's discriminator.
 *
 * @param width Of its input.
 */
export function convolutionalCritic(width: number): Critic {
  const start = glorot;
  const layer = (name: string) => `disc.${name}`;
  const dense = (h: tf.Tensor, name: string, { tensor }: CriticUse) =>
    linear(h, tensor(`${layer(name)}.weight`), { bias: tensor(`${layer(name)}.bias`) });
  const convolve = (h: tf.Tensor, name: string, { tensor }: CriticUse) =>
    conv1d(h, tensor(`${layer(name)}.weight`), { bias: tensor(`${layer(name)}.bias`), padding: 1 });
  const keep = (h: tf.Tensor) => h;
  const raised = (x: tf.Tensor, use: CriticUse) =>
    dense(tf.reshape(x, [x.shape[0], width, 1]), "dense0", use);
  return {
    entries: [
      ...linearEntries("disc.dense0", { inputs: [1], outputs: [128], start: start(1, 128) }),
      ...convolutionEntries("disc.conv0", { axes: [64, 128, 3], start: start(384, 192) }),
      ...convolutionEntries("disc.conv1", { axes: [32, 64, 3], start: start(192, 96) }),
      ...linearEntries("disc.dense1", {
        inputs: [32 * width],
        outputs: [16],
        start: start(32 * width, 16),
      }),
      ...linearEntries("disc.logits", { inputs: [16], outputs: [1], start: start(16, 1) }),
    ],
    score(x, use) {
      const { drop = keep } = use;
      let h = raised(x, use);
      for (const i of [0, 1]) {
        h = drop(leakyRelu(convolve(h, `conv${i}`, use), { slope: SLOPE }), i);
      }
      return dense(dense(tf.reshape(h, [x.shape[0], -1]), "dense1", use), "logits", use);
    },
    inputGradient(x, use) {
      const { tensor } = use;
      const a0 = convolve(raised(x, use), "conv0", use);
      const a1 = convolve(leakyRelu(a0, { slope: SLOPE }), "conv1", use);
      const down = tf.matMul(tensor("disc.logits.weight"), tensor("disc.dense1.weight"));
      const g1 = tf.mul(tf.reshape(down, [1, width, 32]), leakyMask(a1, SLOPE));
      const h1 = convTranspose1d(g1, tensor("disc.conv1.weight"), { padding: 1 });
      const g0 = tf.mul(h1, leakyMask(a0, SLOPE));
      const h0 = convTranspose1d(g0, tensor("disc.conv0.weight"), { padding: 1 });
      const flat = tf.reshape(h0, [x.shape[0] * width, 128]);
      return tf.reshape(tf.matMul(flat, tensor("disc.dense0.weight")), [x.shape[0], width]);
    },
  };
}

/**
 * Linear layers with LeakyReLU between them.
 *
 * @param width Of its input.
 * @param options `hidden`: widths between, default 128 and 64; `slope`: default 0.2.
 */
export function denseCritic(
  width: number,
  options: { readonly hidden?: readonly number[]; readonly slope?: number } = {},
): Critic {
  const { hidden = [128, 64], slope = 0.2 } = options;
  const widths = [width, ...hidden, 1];
  const name = (i: number) => `disc.layer${i}`;
  const last = widths.length - 2;
  const preactivation = (h: tf.Tensor, i: number, { tensor }: CriticUse) =>
    linear(h, tensor(`${name(i)}.weight`), { bias: tensor(`${name(i)}.bias`) });
  return {
    entries: widths.slice(1).flatMap((outputs, i) =>
      linearEntries(name(i), { inputs: [widths[i]], outputs: [outputs] })
    ),
    score(x, use) {
      let h = x;
      for (let i = 0; i <= last; i++) {
        const a = preactivation(h, i, use);
        h = i < last ? leakyRelu(a, { slope }) : a;
      }
      return h;
    },
    inputGradient(x, use) {
      const masks: tf.Tensor[] = [];
      let h = x;
      for (let i = 0; i < last; i++) {
        const a = preactivation(h, i, use);
        masks.push(leakyMask(a, slope));
        h = leakyRelu(a, { slope });
      }
      let g = tf.mul(use.tensor(`${name(last)}.weight`), tf.ones([x.shape[0], 1]));
      for (let i = last - 1; i >= 0; i--) {
        g = tf.matMul(
          tf.mul(g, masks[i]) as tf.Tensor2D,
          use.tensor(`${name(i)}.weight`) as tf.Tensor2D,
        );
      }
      return g;
    },
  };
}
