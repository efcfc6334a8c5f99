/** Layers one after the other as a network, as `torch.nn.Sequential` with names. */
import { ConfigError, ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import type { Layer } from "./layers.ts";
import type { LayerFacts, Network, NetworkDescription } from "./network.ts";
import { memoryShape, type SampleShape } from "./sample_shape.ts";

/** Options of {@link sequential}. */
export interface SequentialOptions {
  /** One sample in PyTorch's order: `[C, X, Y, Z]`, `[C, X, Y]`, `[C, X]`, or `[F]` of features. */
  readonly input: readonly number[];
  /** See {@link Network}. */
  readonly description?: NetworkDescription;
}

/** A network of layers. */
export interface SequentialNetwork extends Network {
  /** Its layers, for people. */
  readonly layers: readonly LayerFacts[];
  /** One sample in PyTorch's order. */
  readonly input: readonly number[];
  /** What comes out; a flattened image keeps its axes. */
  readonly output: SampleShape;
}

/**
 * Puts layers together. Images are `[B, Z, Y, X, C]` in memory (x fastest, as NIfTI has them); files have PyTorch's order.
 *
 * @param layers By name, in order; names begin the names of parameters: `"conv1.weight"`.
 * @param options See {@link SequentialOptions}.
 * @throws {ConfigError} when a layer does not fit what it is given.
 *
 * @example The encoder of a table of 25 columns.
 * ```ts
 * import { activation, dense } from "./layers.ts";
 * const encoder = sequential({ lin: dense(4), act: activation("relu") }, { input: [25] });
 * if (encoder.entries.length !== 2) throw new Error("weight and bias");
 * ```
 */
export function sequential(
  layers: Readonly<Record<string, Layer>>,
  { input, description }: SequentialOptions,
): SequentialNetwork {
  if (input.length === 0 || !input.every((n) => Number.isInteger(n) && n >= 1)) {
    throw new ConfigError(
      "input",
      `Cannot make the network: input is [${input}], needs whole numbers above 0 such as [1, 91, 109, 91]`,
    );
  }
  const first: SampleShape = { axes: input, flat: false };
  let output = first;
  const placed = Object.entries(layers).map(([name, layer]) => {
    const made = layer(name, output);
    output = made.output;
    return { name, ...made };
  });
  const needed = memoryShape(first);
  return {
    entries: placed.flatMap(({ entries }) => entries),
    ...(output.flat ? { outputAxes: output.axes } : {}),
    layers: placed.map(({ name, kind, output: { axes, flat }, entries }) => ({
      name: `${name}: ${kind}`,
      shape: flat ? [axes.reduce((product, n) => product * n, 1)] : axes,
      parameters: entries.reduce(
        (sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1),
        0,
      ),
    })),
    ...(description ? { description } : {}),
    input,
    output,
    forward(x, use) {
      const [batch, ...rest] = x.shape;
      if (rest.join() !== needed.join()) {
        throw new ShapeError(
          `Running a network: a batch has shape [${x.shape}], needs [B, ${needed.join(", ")}]`,
          x.shape,
          `[B, ${needed.join(", ")}]`,
        );
      }
      const start: tf.Tensor = tf.reshape(x, [batch, ...needed]);
      return placed.reduce((values, layer) => layer.forward(values, use), start);
    },
  };
}
