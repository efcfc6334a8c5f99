/** A residual block with group norm. */
import { tf } from "../deps/tfjs.ts";
import { relu } from "../ops/activations.ts";
import { convolution } from "./convolution_layers.ts";
import { groupNorm, type Layer } from "./layers.ts";
import { requireImage } from "./sample_shape.ts";

/**
 * x + conv2(relu(norm2(conv1(relu(norm1(x)))))), both convolutions of 3 places: `NAME.norm1`, `NAME.conv1`, `NAME.norm2`,
 * `NAME.conv2`.
 *
 * @param groups Of the norms; default the largest divisor of the channels up to 8.
 */
export function residual(groups?: number): Layer {
  return (name, input) => {
    requireImage(name, input);
    const norm = groupNorm(groups ?? groupsFor(input.axes[0]));
    const parts = [
      norm(`${name}.norm1`, input),
      convolution(input.axes[0])(`${name}.conv1`, input),
      norm(`${name}.norm2`, input),
      convolution(input.axes[0])(`${name}.conv2`, input),
    ];
    const [norm1, conv1, norm2, conv2] = parts;
    return {
      entries: parts.flatMap(({ entries }) => entries),
      output: input,
      kind: "residual block",
      forward(x, use) {
        const inner = conv1.forward(relu(norm1.forward(x, use)), use);
        return tf.add(x, conv2.forward(relu(norm2.forward(inner, use)), use));
      },
    };
  };
}

function groupsFor(channels: number): number {
  for (let groups = Math.min(8, channels);; groups--) if (channels % groups === 0) return groups;
}
