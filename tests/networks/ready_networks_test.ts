/** Ready networks: shapes at any extent, gradients against finite differences, PyTorch's names. */
import { selectBackend } from "../../src/backends/registry.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import {
  activation,
  convDecoder,
  convEncoder,
  convolution,
  dense,
  denseDecoder,
  denseEncoder,
  dropout,
  flatten,
  groupNorm,
  layerNorm,
  networkFrom,
  parameterCount,
  pool,
  residual,
  residualDecoder,
  residualEncoder,
  sequential,
  transposedConvolution,
  unflatten,
  upsample,
} from "../../src/models/vae/mod.ts";
import type { Network } from "../../src/networks/network.ts";
import { ParameterStore } from "../../src/parameters/parameter_store.ts";
import { drawStartingValues } from "../../src/parameters/starting_values.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";

await selectBackend("reference");
const random = RandomStream.fromSeed(11);

function run(network: Network, x: tf.Tensor): tf.Tensor {
  const store = new ParameterStore(
    network.entries,
    drawStartingValues(network.entries, { random }),
  );
  const draw = random.split("dropout");
  return network.forward(x, { tensor: (key) => store.tensor(key), training: true, draw });
}

const EXTENTS = [[7], [16], [5, 8], [9, 6, 7], [8, 10, 8], [1, 3]];

for (
  const [encoder, decoder] of [
    [denseEncoder, denseDecoder],
    [convEncoder, convDecoder],
    [residualEncoder, residualDecoder],
  ] as const
) {
  Deno.test(`${encoder.name} and ${decoder.name} fit any extent of one to three axes, batches of one and of two`, () => {
    for (const shape of EXTENTS) {
      for (const channels of [1, 2]) {
        const sizes = { shape, channels, widths: [4, 6].slice(0, shape.length > 1 ? 2 : 1) };
        const into = encoder(sizes);
        const back = decoder({ ...sizes, latentDim: 3 });
        assertEquals(back.output.axes, [channels, ...shape]);
        const memory = [...shape.toReversed(), channels];
        const width = into.output.axes.reduce((product, n) => product * n, 1);
        for (const batch of [1, 2]) {
          assertEquals(run(into, tf.zeros([batch, ...memory])).shape, [batch, width]);
          assertEquals(run(back, tf.zeros([batch, 3])).shape, [batch, ...memory]);
        }
        assertThrows(() => run(into, tf.zeros([2, ...memory, 1])), ShapeError);
        assertEquals(networkFrom(back.description!).entries, back.entries);
      }
    }
  });
}

/** A network as a function of its input and all of its parameters. */
function asOperation(network: Network) {
  const keys = network.entries.map(({ key }) => key);
  return ([x, ...tensors]: tf.Tensor[]) =>
    network.forward(x, {
      tensor: (key) => tensors[keys.indexOf(key)],
      training: true,
      draw: random.split("dropout"),
    }) as tf.Tensor;
}

const NETWORKS: Record<string, Network & { readonly input: readonly number[] }> = {
  "conv encoder, 3-D": convEncoder({ shape: [5, 4, 3], widths: [2, 3], activation: "tanh" }),
  "conv decoder, 2-D": convDecoder({
    shape: [5, 6],
    widths: [2, 3],
    latentDim: 2,
    activation: "gelu",
  }),
  "residual encoder, 1-D": residualEncoder({ shape: [9], widths: [4] }),
  "dense decoder with probabilities": denseDecoder({
    shape: [4],
    widths: [3],
    latentDim: 2,
    activation: "softplus",
    outputActivation: "sigmoid",
  }),
  "layers of every kind": sequential({
    pad: convolution(2, {
      kernel: [3, 2, 1],
      stride: [2, 1, 1],
      padding: [1, 1, 0],
      paddingMode: "reflect",
    }),
    norm: groupNorm(2),
    block: residual(1),
    up: upsample("linear"),
    down: pool("max"),
    leak: activation("leaky-relu"),
    wide: transposedConvolution(2, { stride: 2, kernel: 4, padding: 1, outputPadding: 1 }),
    pool: pool("average", 3),
    flat: flatten(),
    fc: dense([2, 2, 1]),
    square: unflatten(),
    flat2: flatten(),
    fc2: dense(4),
    features: layerNorm(),
    drop: dropout(0.3),
  }, { input: [1, 4, 3, 2] }),
};

for (const [name, network] of Object.entries(NETWORKS)) {
  Deno.test(`gradients of ${name} agree with differences`, () => {
    const shape = network.input.length === 1
      ? [2, ...network.input]
      : [2, ...network.input.toReversed()];
    const inputs = Object.fromEntries([
      ["x", normalArray(random.split(name), shape)],
      ...network.entries.map(({ key, memoryShape }) => [
        key,
        normalArray(random.split(name).split(key), memoryShape),
      ]),
    ]);
    assertGradientsMatchDifferences(asOperation(network), inputs);
  });
}

Deno.test("names and shapes are PyTorch's, the table has a line a layer", () => {
  const network = convEncoder({ shape: [8, 10, 8], widths: [4, 8] });
  const shapes = network.entries.map(({ key, shape }) => [key, [...shape]]);
  assertEquals(shapes, [
    ["conv1.weight", [4, 1, 3, 3, 3]],
    ["conv1.bias", [4]],
    ["conv2.weight", [8, 4, 3, 3, 3]],
    ["conv2.bias", [8]],
  ]);
  assertEquals(parameterCount(network), 112 + 872);
  assertEquals(network.layers.map(({ shape }) => shape.join("×")), [
    ...["4×4×5×4", "4×4×5×4", "8×2×3×2", "8×2×3×2", "96"],
  ]);
  const { start } = network.entries[2];
  assertEquals(start, { kind: "uniform", from: -1 / Math.sqrt(108), to: 1 / Math.sqrt(108) });
});

Deno.test("a signal of one axis is convolved as a plane of one row is", () => {
  const values = normalArray(random.split("signal"), [2, 9, 1]);
  const line = run(convEncoder({ shape: [9], widths: [3] }), toTensor(values.data, values.shape));
  assertEquals(line.shape, [2, 15]);
  assert(line.dataSync().some((value) => value > 0));
});

Deno.test("layers that do not fit are refused, naming the layer", () => {
  const make = (layers: Parameters<typeof sequential>[0], input: number[]) => () =>
    sequential(layers, { input });
  assertThrows(make({ conv: convolution(2) }, [5]), ConfigError, "conv is given 5 features");
  assertThrows(make({ fc: dense(2) }, [1, 5]), ConfigError, "flatten it first");
  assertThrows(
    make({ norm: groupNorm(3) }, [4, 5]),
    ConfigError,
    "needs a divisor of its 4 channels",
  );
  assertThrows(make({ c: convolution(2, { kernel: 9 }) }, [1, 20]), ConfigError, "from 1 to 7");
  assertThrows(
    make({ c: convolution(2, { kernel: 5, padding: 0 }) }, [1, 3]),
    ConfigError,
    "at least one",
  );
  assertThrows(() => activation("swish" as "relu"), ConfigError, "swish");
  assertThrows(() => convEncoder({ shape: [4, 4, 4, 4] }), ConfigError, "one to three axes");
  assertThrows(() => convEncoder({ shapes: [4] } as never), ConfigError, 'did you mean "shape"');
  assertThrows(() => networkFrom({ kind: "own", options: {} }), ConfigError, "convEncoder");
});
