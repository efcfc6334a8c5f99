/** Configuration: defaults, validation, levels for any volume [recurrent-vae §1, §3.1]. */
import { ConfigError } from "../../src/base/errors.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import {
  initialStateOf,
  type RecurrentVaeOptions,
  resolveConfig,
} from "../../src/models/recurrent_vae/config.ts";

Deno.test("the defaults are the reference's", () => {
  assertEquals({ ...resolveConfig() }, {
    encOutDim: 100,
    latentDim: 10,
    zDim: 10,
    tolTime: 120,
    spatialShape: [91, 109, 91],
    sigX: 1,
    sigH: 1,
    sigZ: 1,
    rho: 0.1,
    lambdaZ: 10,
    batchSize: 4,
    learningRate: 1e-6,
    epochs: 500,
    seed: 2022,
    ridgePenalty: "v2",
    temporalLoss: "squared",
    klWeight: 1,
    normalization: "batch",
    channels: [4, 8, 16, 32],
    decoderChannels: [32, 16, 8, 4],
    outputActivation: "tanh",
    initialState: "zeros",
  });
});

const REFUSED: [string, RecurrentVaeOptions][] = [
  ...["latentDim", "encOutDim", "tolTime", "batchSize", "epochs"].flatMap((field) =>
    [0, -1, 1.5, NaN].map((value): [string, RecurrentVaeOptions] => [field, { [field]: value }])
  ),
  ...["sigX", "sigH", "sigZ", "learningRate"].flatMap((field) =>
    [0, -1, NaN, Infinity].map((value): [string, RecurrentVaeOptions] => [field, {
      [field]: value,
    }])
  ),
  ["rho", { rho: NaN }],
  ["zDim", { zDim: 8 }],
  ["ridgePenalty", { ridgePenalty: "v3" as "v2" }],
  ["temporalLoss", { temporalLoss: "mse" as "kl" }],
  ["normalization", { normalization: "layer" as "group" }],
  ["outputActivation", { outputActivation: "relu" as "tanh" }],
  ["initialState", { initialState: "random" as "zeros" }],
  ["initialState", { initialState: "notebook", latentDim: 8 }],
  ["channels", { channels: [] }],
  ["channels", { channels: [4, 0] }],
  ["channels", { spatialShape: [6, 10, 10], channels: [4, 8, 16] }],
  ["decoderChannels", { decoderChannels: [32, 16, 8] }],
  ["decoderChannels", { decoderChannels: [12, 8, 8, 4], normalization: "group" }],
  ["spatialShape", { spatialShape: [91, 109, 0] }],
  ["spatialShape", { spatialShape: [91, 109, 1] }],
  ["latent_dim", { latent_dim: 10 } as RecurrentVaeOptions],
  ["spatialShape", { spatialShape: [91, 109] as unknown as [number, number, number] }],
];

Deno.test("fields that cannot be used are refused by name", () => {
  for (const [field, options] of REFUSED) {
    const error = assertThrows(() => resolveConfig(options), ConfigError, field);
    assertEquals(error.field, field, JSON.stringify(options));
  }
});

Deno.test("rho 0 is legal, and fields given as undefined take their default", () => {
  const config = resolveConfig({ rho: 0, epochs: undefined });
  assertEquals([config.rho, config.epochs], [0, 500]);
});

Deno.test("the number of levels adapts to small volumes; explicit levels that do not fit say what would", () => {
  const channelsFor = (spatialShape: [number, number, number]) =>
    resolveConfig({ spatialShape }).channels;
  assertEquals(channelsFor([16, 40, 40]), [4, 8, 16, 32]);
  assertEquals(channelsFor([15, 40, 40]), [4, 8, 16]);
  assertEquals(channelsFor([6, 10, 10]), [4, 8]);
  assertEquals(channelsFor([2, 2, 2]), [4]);
  assertThrows(
    () => resolveConfig({ spatialShape: [6, 10, 10], channels: [4, 8, 16] }),
    ConfigError,
    "1 to 2 levels",
  );
});

Deno.test("a spatial shape with the reference's leading channel axis is understood", () => {
  const shape = [1, 33, 35, 40] as unknown as [number, number, number];
  assertEquals(resolveConfig({ spatialShape: shape }).spatialShape, [33, 35, 40]);
});

Deno.test("the wide decoder of [recurrent-vae §8] is expressible", () => {
  const config = resolveConfig({ decoderChannels: [128, 64, 32, 16], outputActivation: "clamp" });
  assertEquals(config.decoderChannels, [128, 64, 32, 16]);
});

Deno.test("the initial state is zero, or the notebook's frozen draw", () => {
  assertEquals([...initialStateOf(resolveConfig())], new Array(10).fill(0));
  const notebook = initialStateOf(resolveConfig({ initialState: "notebook" }));
  assertEquals([notebook.length, notebook[0], notebook[9]], [
    10,
    Math.fround(0.1719),
    Math.fround(0.7062),
  ]);
});
