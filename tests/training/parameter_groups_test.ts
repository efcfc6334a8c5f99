/** Variables with a weight decay and a learning rate of their own, and variables that are not trained. */
import { CheckpointError, ConfigError } from "../../src/base/errors.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import {
  createOptimiser,
  type OptimiserKind,
  type OptimiserOptions,
  withoutVariables,
} from "../../src/training/optimisers.ts";

await selectBackend("cpu");

const NAMES = ["encoder.weight", "encoder.bias", "decoder.weight"] as const;

/** A matrix and a vector of an encoder, a matrix of a decoder; all ones. */
function variables(): Map<string, tf.Variable> {
  return new Map(NAMES.map((name) => {
    const shape = name.endsWith("bias") ? [2] : [2, 1];
    const ones = toTensor(Float32Array.of(1, 1), shape);
    const variable = tf.variable(ones);
    ones.dispose();
    return [name, variable];
  }));
}

/** First value of every variable after some updates with gradients of 0.5. */
async function afterUpdates(
  kind: OptimiserKind,
  options: OptimiserOptions,
  { count = 3, rate = 0.1 } = {},
) {
  const own = variables();
  const optimiser = createOptimiser(kind, own, options);
  const gradients = new Map(
    [...own].map(([name, { shape }]) => [name, toTensor(Float32Array.of(0.5, 0.5), shape)]),
  );
  for (let i = 0; i < count; i++) optimiser.step(gradients, rate);
  const values = await Promise.all([...own.values()].map(async (v) => (await toHost(v))[0]));
  const state = await optimiser.state();
  optimiser.dispose();
  tf.dispose([...gradients.values(), ...own.values()]);
  return { values, state };
}

for (const kind of ["sgd", "adam", "adamw"] as const) {
  Deno.test(`${kind}: each group moves as if it were alone with its decay and rate`, async () => {
    const shared = { weightDecay: 0.3, ...(kind === "sgd" ? { momentum: 0.9 } : {}) };
    const tensors = tf.memory().numTensors;
    const { values, state } = await afterUpdates(kind, {
      ...shared,
      groups: [
        { match: (_, variable) => variable.rank < 2, weightDecay: 0 },
        { match: /^encoder\./, rateFactor: 0.25, weightDecay: 0.1 },
      ],
    });
    const [weight] = (await afterUpdates(kind, { ...shared, weightDecay: 0.1 }, { rate: 0.025 }))
      .values;
    const bias = (await afterUpdates(kind, { ...shared, weightDecay: 0 })).values[1];
    const decoder = (await afterUpdates(kind, shared)).values[2];
    assertEquals(values, [weight, bias, decoder]);
    assertEquals(new Set(values).size, 3);
    assertEquals(tf.memory().numTensors, tensors);
    assertEquals([state.kind, state.step], [kind, 3]);
    assertEquals(state.options["groups.0.weightDecay"], 0);
    assertEquals(state.options["groups.1.weightDecay"], 0.1);
    assertEquals(state.options["groups.1.rateFactor"], 0.25);
    assertEquals(state.options.weightDecay, 0.3);
  });
}

Deno.test("one group for all, and none, are the plain optimiser", async () => {
  const plain = await afterUpdates("adamw", { weightDecay: 0.2 });
  const none = await afterUpdates("adamw", { weightDecay: 0.2, groups: [] });
  const all = await afterUpdates("adamw", { groups: [{ match: /./, weightDecay: 0.2 }] });
  assertEquals(none, plain);
  assertEquals([all.values, all.state.tensors], [plain.values, plain.state.tensors]);
  // A global expression keeps no place between names.
  const global = await afterUpdates("adamw", { groups: [{ match: /^./g, weightDecay: 0.2 }] });
  assertEquals(global.values, plain.values);
});

Deno.test("a state goes from groups to groups and to an optimiser without, bit for bit", async () => {
  const groups = [{ match: /bias$/, weightDecay: 0 }];
  const other = [{ match: /^decoder/, rateFactor: 0.5 }, { match: /weight$/, weightDecay: 0.4 }];
  const { state } = await afterUpdates("adam", { groups });
  const own = variables();
  for (const options of [{ groups }, { groups: other }, {}]) {
    const optimiser = createOptimiser("adam", own, options);
    optimiser.loadState(state);
    assertEquals(optimiser.stepCount, 3);
    const sorted = (tensors: typeof state.tensors) => [...tensors].sort();
    assertEquals(sorted((await optimiser.state()).tensors), sorted(state.tensors));
    optimiser.dispose();
  }
  tf.dispose([...own.values()]);
});

Deno.test("a state that does not fit is refused, and no group has changed then", async () => {
  const own = variables();
  const { state } = await afterUpdates("adam", {});
  const optimiser = createOptimiser("adam", own, { groups: [{ match: /bias$/, weightDecay: 0 }] });
  const before = await optimiser.state();
  const without = (key: string) => new Map([...state.tensors].filter(([name]) => name !== key));
  const strange = new Map([...state.tensors, ["first.other", {
    data: Float32Array.of(1),
    shape: [1],
  }]]);
  for (
    const [bad, words] of [
      [{ ...state, tensors: without("first.encoder.bias") }, 'no tensor "first.encoder.bias"'],
      [{ ...state, tensors: strange }, "1 tensors of other variables"],
      [{ ...state, kind: "adamw" }, 'a state of "adamw"'],
    ] as const
  ) {
    assertThrows(() => optimiser.loadState(bad), CheckpointError, words);
    assertEquals(await optimiser.state(), before);
  }
  optimiser.dispose();
  tf.dispose([...own.values()]);
});

Deno.test("groups that are not sound, or match nothing, are refused by name", () => {
  const own = variables();
  const tries: [OptimiserOptions["groups"], string, string][] = [
    [[{ match: /^head/ }], "groups[0]", "/^head/"],
    [[{ match: /weight/ }, { match: /^decoder/ }], "groups[1]", "no variable that an earlier"],
    [[{ match: "encoder" as unknown as RegExp }], "groups[0].match", "a regular expression"],
    [[{ match: /e/, weightDecay: -1 }], "groups[0].weightDecay", "at least 0"],
    [[{ match: /e/, rateFactor: 0 }], "groups[0].rateFactor", "above 0"],
    [[{ match: /e/, rate: 1 } as { match: RegExp }], "groups[0].rate", "there is no option"],
    [{} as [], "groups", "a list"],
  ];
  for (const [groups, field, words] of tries) {
    const error = assertThrows(() => createOptimiser("adam", own, { groups }), ConfigError, words);
    assertEquals(error.field, field);
  }
  tf.dispose([...own.values()]);
});

Deno.test("freezing leaves variables out, and says when nothing fits", () => {
  const own = variables();
  assertEquals([...withoutVariables(own, /^encoder/).keys()], ["decoder.weight"]);
  assertEquals([...withoutVariables(own, (_, { rank }) => rank > 1).keys()], ["encoder.bias"]);
  const error = assertThrows(
    () => withoutVariables(own, /^head/),
    ConfigError,
    "/^head/ fits none",
  );
  assertEquals(error.field, "frozen");
  tf.dispose([...own.values()]);
});

Deno.test("a frozen variable stays, the others move as they do with it", async () => {
  const own = variables();
  const trained = withoutVariables(own, /bias$/);
  const optimiser = createOptimiser("sgd", trained, { weightDecay: 0 });
  const gradients = new Map(
    [...own].map(([name, { shape }]) => [name, toTensor(Float32Array.of(1, 1), shape)]),
  );
  optimiser.step(gradients, 0.25);
  const values = await Promise.all([...own.values()].map(async (v) => (await toHost(v))[0]));
  values.forEach((value, i) => assertAlmostEquals(value, [0.75, 1, 0.75][i], 1e-7));
  optimiser.dispose();
  tf.dispose([...gradients.values(), ...own.values()]);
});
