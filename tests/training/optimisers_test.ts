import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../../src/deps/std.ts";
import {
  CheckpointError,
  ConfigError,
  DivergenceError,
  ShapeError,
} from "../../src/base/errors.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { clipGradients } from "../../src/training/clipping.ts";
import {
  createOptimiser,
  type OptimiserKind,
  type OptimiserOptions,
} from "../../src/training/optimisers.ts";
import { createSchedule } from "../../src/training/schedules.ts";
import { checkLosses, checkTensors, squaredNorms } from "../../src/training/watchdog.ts";
import { readFixture, readManifest, relativeError } from "../support/fixture_tensors.ts";

const fixture = readFixture("optim");
const { config } = readManifest("optim");
const STEPS = 6;
const SIZE = 12;

/** One variable "p" holding the fixture's start (or the given values), and a way to feed gradients. */
function bench(
  kind: OptimiserKind,
  options: OptimiserOptions = {},
  start = fixture.floats("p0").data,
) {
  const initial = toTensor(start, [start.length]);
  const variable = tf.variable(initial);
  initial.dispose();
  const optimiser = createOptimiser(kind, new Map([["p", variable]]), options);
  return {
    variable,
    optimiser,
    async step(gradient: ArrayLike<number>, learningRate: number) {
      const tensor = toTensor(Float64Array.from(gradient), [gradient.length]);
      optimiser.step(new Map([["p", tensor]]), learningRate);
      tensor.dispose();
      return await toHost(variable);
    },
    dispose() {
      optimiser.dispose();
      variable.dispose();
    },
  };
}

const gradientOf = (step: number) =>
  fixture.floats("grads").data.subarray(step * SIZE, (step + 1) * SIZE);

/**
 * Largest error over the six recorded parameters, relative to the largest parameter so far: some gradients are
 * 3,000 times the parameter, so what float32 can keep is measured against where the parameter has been.
 */
async function worstError(name: string, kind: OptimiserKind, options: OptimiserOptions) {
  const rates = fixture.floats(`${name}_lr`).data;
  const expected = fixture.floats(name).data;
  const run = bench(kind, options);
  let worst = 0;
  let reached = 0;
  for (let k = 0; k < STEPS; k++) {
    const found = await run.step(gradientOf(k), rates[k]);
    const recorded = expected.subarray(k * SIZE, (k + 1) * SIZE);
    const norm = Math.hypot(...recorded);
    reached = Math.max(reached, norm);
    worst = Math.max(worst, relativeError(found, recorded) * norm / reached);
  }
  run.dispose();
  return worst;
}

const CASES = [
  ["sgd", "sgd", {}],
  ["adam", "adam", { epsilon: config.adam.eps, weightDecay: config.adam.weight_decay }],
  ["adamw", "adamw", { epsilon: config.adamw.eps, weightDecay: config.adamw.weight_decay }],
  ["adamw_cosine", "adamw", {}],
] as const;

for (const [name, kind, options] of CASES) {
  Deno.test(`${name} takes PyTorch's six steps to 1e-10 in float64`, async () => {
    await selectBackend("reference");
    const error = await worstError(name, kind, options);
    assert(error <= 1e-10, `${error}`);
  });

  Deno.test(`${name} takes PyTorch's six steps to float32 rounding on the cpu engine`, async () => {
    await selectBackend("cpu");
    const error = await worstError(name, kind, options);
    assert(error <= 1e-6, `${error}`);
    assert(error > 0, "float32 cannot equal the float64 reference exactly");
  });
}

Deno.test("the cosine schedule gives the fixture's six learning rates", () => {
  const { lr, T_max, eta_min } = config.adamw_cosine;
  const schedule = createSchedule("cosine", { learningRate: lr, epochs: T_max, etaMin: eta_min });
  const expected = fixture.floats("adamw_cosine_lr").data;
  for (let k = 0; k < STEPS; k++) {
    assertAlmostEquals(schedule.rateAt({ epoch: k, step: k }), expected[k], 1e-16);
  }
});

/** torch.optim.SGD(lr=0.1, momentum=0.9, …) from p = [1, −2] with gradients [0.5, 1], [−1, 0.25], [2, 2], in float64. */
const MOMENTUM_CASES: [OptimiserOptions, number[]][] = [
  [{ momentum: 0.9 }, [0.8544999999999999, -2.5185000000000004]],
  [{ momentum: 0.9, nesterov: true }, [0.71905, -2.7916499999999997]],
  [{ momentum: 0.9, weightDecay: 0.1 }, [0.799774, -2.4032180000000003]],
  [{ weightDecay: 0.1 }, [0.820294, -2.263358]],
];

Deno.test("SGD with momentum, Nesterov and weight decay equals PyTorch", async () => {
  await selectBackend("reference");
  for (const [options, expected] of MOMENTUM_CASES) {
    const run = bench("sgd", options, Float64Array.of(1, -2));
    let found: ArrayLike<number> = [];
    for (const g of [[0.5, 1], [-1, 0.25], [2, 2]]) found = await run.step(g, 0.1);
    assert(
      relativeError(found, expected) < 1e-15,
      `${JSON.stringify(options)}: ${[...Array.from(found)]}`,
    );
    run.dispose();
  }
});

Deno.test("Adam with weight decay adds it to the gradient, as PyTorch", async () => {
  await selectBackend("reference");
  const run = bench("adam", { weightDecay: 0.1, beta1: 0.8, beta2: 0.95 }, Float64Array.of(1, -2));
  let found: ArrayLike<number> = [];
  for (const g of [[0.5, 1], [-1, 0.25], [2, 2]]) found = await run.step(g, 0.1);
  assert(
    relativeError(found, [0.87918024332315, -2.2506517682316973]) < 1e-15,
    `${[...Array.from(found)]}`,
  );
  run.dispose();
});

for (const kind of ["sgd", "adam", "adamw"] as const) {
  Deno.test(`${kind} resumed from its state continues with the same bits`, async () => {
    await selectBackend("cpu");
    const options = kind === "sgd" ? { momentum: 0.9 } : {};
    const whole = bench(kind, options);
    const firstHalf = bench(kind, options);
    for (let k = 0; k < 3; k++) {
      await whole.step(gradientOf(k), 0.01);
      await firstHalf.step(gradientOf(k), 0.01);
    }
    const state = await firstHalf.optimiser.state();
    assertEquals([state.kind, state.step], [kind, 3]);
    const secondHalf = bench(kind, options, await toHost(firstHalf.variable));
    secondHalf.optimiser.loadState(state);
    for (let k = 3; k < STEPS; k++) {
      const expected = await whole.step(gradientOf(k), 0.01);
      assertEquals(await secondHalf.step(gradientOf(k), 0.01), expected);
    }
    assertEquals((await secondHalf.optimiser.state()).step, STEPS);
    for (const run of [whole, firstHalf, secondHalf]) run.dispose();
  });
}

Deno.test("steps leak no tensors, and disposal frees the slots", async () => {
  await selectBackend("cpu");
  const before = tf.memory().numTensors;
  const run = bench("adamw");
  await run.step(gradientOf(0), 0.01);
  const after = tf.memory().numTensors;
  for (let k = 1; k < STEPS; k++) await run.step(gradientOf(k), 0.01);
  assertEquals(tf.memory().numTensors, after);
  run.dispose();
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("a missing or mis-shaped gradient is refused before anything changes", async () => {
  await selectBackend("cpu");
  const run = bench("adam");
  const before = await toHost(run.variable);
  assertThrows(() => run.optimiser.step(new Map(), 0.1), ConfigError, '"p"');
  await assertRejects(() => run.step([1, 2], 0.1), ShapeError, "[2]");
  assertEquals(await toHost(run.variable), before);
  assertEquals(run.optimiser.stepCount, 0);
  run.dispose();
});

Deno.test("a state of another optimiser or of other variables is refused", async () => {
  await selectBackend("cpu");
  const run = bench("adam");
  const good = await run.optimiser.state();
  const refuse = (state: Partial<typeof good>, text: string) =>
    assertThrows(() => run.optimiser.loadState({ ...good, ...state }), CheckpointError, text);
  refuse({ kind: "sgd" }, '"sgd"');
  refuse({ step: -1 }, "step -1");
  refuse({ tensors: new Map() }, "first.p");
  const shorter = { data: new Float32Array(2), shape: [2] };
  refuse({ tensors: new Map([...good.tensors, ["second.p", shorter]]) }, "second.p");
  refuse({ tensors: new Map([...good.tensors, ["first.q", shorter]]) }, "first.q");
  run.optimiser.loadState(good);
  run.dispose();
});

Deno.test("options out of range are refused by name", () => {
  const none = new Map<string, tf.Variable>();
  const cases: [OptimiserKind, OptimiserOptions, string][] = [
    ["sgd", { momentum: 1 }, "momentum"],
    ["sgd", { nesterov: true }, "nesterov"],
    ["sgd", { weightDecay: -1 }, "weightDecay"],
    ["adam", { beta1: 1 }, "beta1"],
    ["adam", { beta2: NaN }, "beta2"],
    ["adamw", { epsilon: -1 }, "epsilon"],
    ["adamw", { weightDecay: -0.1 }, "weightDecay"],
    ["rmsprop" as OptimiserKind, {}, "optimiser"],
  ];
  for (const [kind, options, field] of cases) {
    assertEquals(
      assertThrows(() => createOptimiser(kind, none, options), ConfigError).field,
      field,
    );
  }
});

/** Two gradients with a joint norm of 5. */
const twoGradients = () =>
  new Map([["a", toTensor(Float32Array.of(3, 0), [2])], ["b", toTensor(Float32Array.of(4), [1])]]);

Deno.test("squared norms come one per tensor, in order", async () => {
  await selectBackend("cpu");
  const gradients = twoGradients();
  assertEquals([...await squaredNorms(gradients)], [9, 16]);
  assertEquals(await squaredNorms(new Map()), new Float64Array(0));
  tf.dispose([...gradients.values()]);
});

Deno.test("clipping scales all gradients by one factor when their joint norm is too large", async () => {
  await selectBackend("cpu");
  const before = tf.memory().numTensors;
  const gradients = twoGradients();
  assertEquals(clipGradients(gradients, { maxNorm: 10, squaredNorms: [9, 16] }), 5);
  assertEquals([...await toHost(gradients.get("a")!)], [3, 0]);
  assertEquals(clipGradients(gradients, { maxNorm: 1, squaredNorms: [9, 16] }), 5);
  // PyTorch: factor 1/(5 + 1e-6).
  assertAlmostEquals((await toHost(gradients.get("a")!))[0], 3 / (5 + 1e-6), 1e-7);
  assertAlmostEquals((await toHost(gradients.get("b")!))[0], 4 / (5 + 1e-6), 1e-7);
  assertThrows(() => clipGradients(gradients, { maxNorm: 0, squaredNorms: [9, 16] }), ConfigError);
  tf.dispose([...gradients.values()]);
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("the watchdog names epoch, batch, tensor and subjects of a NaN or infinity", async () => {
  await selectBackend("cpu");
  const position = { epoch: 2, batch: 1, subjects: [4, 7] };
  checkLosses({ loss: 1, loss1: 0 }, position);
  const loss = assertThrows(
    () => checkLosses({ loss1: 1, loss2: NaN }, position),
    DivergenceError,
    "loss2 is NaN in epoch 3, batch 2 (subjects 4, 7)",
  );
  assertEquals([loss.epoch, loss.batch, loss.tensor, loss.subjects], [2, 1, "loss2", [4, 7]]);

  const gradients = twoGradients();
  assertEquals([...await checkTensors(gradients, position)], [9, 16]);
  for (const poison of [NaN, Infinity, -Infinity]) {
    gradients.get("b")!.dispose();
    gradients.set("b", toTensor(Float32Array.of(poison), [1]));
    const error = await assertRejects(() => checkTensors(gradients, position), DivergenceError);
    assertEquals(error.tensor, "gradient of b");
  }
  const error = await assertRejects(
    () => checkTensors(gradients, position, { what: "weight" }),
    DivergenceError,
  );
  assertEquals(error.tensor, "weight of b");
  tf.dispose([...gradients.values()]);
});
