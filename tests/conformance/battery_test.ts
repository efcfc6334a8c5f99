import { selectBackend } from "../../src/backends/registry.ts";
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { batchNormActivation } from "../../src/ops/norm_activation.ts";
import {
  ACTIVATION_FAMILY,
  DROPOUT_FAMILY,
  LAYER_NORM_FAMILY,
  SOFTMAX_FAMILY,
} from "./activation_families.ts";
import { type Case, type CaseTensors, compareFamily, type Family, judge } from "./battery.ts";
import { CONVOLUTION, FILTER_GRADIENT, INPUT_GRADIENT } from "./convolution_families.ts";
import { TANH_ERROR_FAMILY } from "./error_family.ts";
import { LINEAR } from "./linear_family.ts";
import { FIXED_NORM, NORM, NORM_GRADIENT } from "./norm_families.ts";
import { PLANE_CONVOLUTION, TAP_FAMILY } from "./plane_families.ts";

const FLOAT_FAMILIES = [
  CONVOLUTION,
  INPUT_GRADIENT,
  FILTER_GRADIENT,
  NORM,
  FIXED_NORM,
  NORM_GRADIENT,
  TANH_ERROR_FAMILY,
  LINEAR,
  ACTIVATION_FAMILY,
  SOFTMAX_FAMILY,
  DROPOUT_FAMILY,
  LAYER_NORM_FAMILY,
  PLANE_CONVOLUTION,
  TAP_FAMILY,
];

/** The family with its operation replaced wherever float64 is not stored, that is on the engine under test. */
function sabotaged(family: Family, name: string, wrong: (one: Case) => Case["run"]): Family {
  return {
    name: `${family.name}, ${name}`,
    cases: (count) =>
      family.cases(count).map((one) => ({
        ...one,
        run(tensors: CaseTensors) {
          const reference = (tf.backend() as { storesFloat64?: boolean }).storesFloat64;
          return reference ? one.run(tensors) : wrong(one)(tensors);
        },
      })),
  };
}

async function failuresOf(family: Family): Promise<number> {
  return (await compareFamily("cpu", family, 100)).failures.length;
}

Deno.test("the battery finds errors of five hundred-thousandths in every family", async () => {
  await selectBackend("cpu");
  for (const family of FLOAT_FAMILIES) {
    const slightly = sabotaged(
      family,
      "slightly off",
      (one) => (tensors) => one.run(tensors).map((result) => tf.mul(result, 1.00005)),
    );
    const failures = await failuresOf(slightly);

    assert(failures >= 90, `${family.name}: only ${failures} of 100 cases noticed`);
  }
});

Deno.test("the battery finds a geometry that is off by one", async () => {
  const shifted = sabotaged(FILTER_GRADIENT, "taps shifted", (one) => (tensors) => {
    const [dw] = one.run(tensors);
    const kx = dw.shape[2]!;
    return [tf.concat([tf.split(dw, [1, kx - 1], 2)[1], tf.split(dw, [1, kx - 1], 2)[0]], 2)];
  });
  assert(await failuresOf(shifted) > 60);
});

Deno.test("the battery finds a one-pass variance", async () => {
  const onePass = sabotaged(NORM, "one-pass variance", (one) => (tensors) => {
    const { gamma, beta } = tensors;
    const [sampleGroups, channelGroups] = one.run(tensors)[1].shape;
    const options = { sampleGroups, channelGroups };
    const { y, mean, variance } = batchNormActivation(tensors.x, { gamma, beta }, options);
    const squares = batchNormActivation(tf.square(tensors.x), { gamma, beta }, options).mean;
    const wrong = tf.sub(squares, tf.square(mean)) as tf.Tensor;
    assertEquals(wrong.shape, variance.shape);
    return [y, mean, wrong];
  });
  assert(await failuresOf(onePass) > 20);
});

Deno.test("the battery finds a NaN that is lost", async () => {
  for (const family of [CONVOLUTION, INPUT_GRADIENT, FILTER_GRADIENT]) {
    const dropping = sabotaged(family, "NaN dropped", (one) => (tensors) => {
      const [result] = one.run(tensors);
      return [tf.where(tf.isNaN(result), tf.zerosLike(result), result)];
    });
    const { failures } = await compareFamily("cpu", dropping, 50);
    assert(failures.some((line) => line.includes("needs NaN")), family.name);
  }
});

Deno.test("a comparison tells shapes, values and leaks apart", async () => {
  const expected = {
    shapes: [[2]],
    values: [Float64Array.of(1, NaN)],
    tolerances: [Float64Array.of(0.1, 0.1)],
  };
  const found = (values: number[], shape = [2]) =>
    judge({ shapes: [shape], values: [Float64Array.from(values)] }, expected);
  assertEquals(found([1.05, NaN]).problem, null);
  assertStringIncludes(found([1.2, NaN]).problem!, "result 0[0] is 1.2");
  assertStringIncludes(found([1, 1]).problem!, "needs NaN");
  assertStringIncludes(found([NaN, NaN]).problem!, "is NaN");
  assertStringIncludes(found([1], [1]).problem!, "has shape [1]");

  const leaking: Family = {
    name: "leaking",
    cases: () => [{
      label: "leak",
      inputs: {},
      run: () => [tf.keep(tf.zeros([1])), tf.keep(tf.zeros([1])).clone()],
      tolerances: (results) => results.map((values) => values.map(() => 0)),
    }],
  };
  const { failures } = await compareFamily("cpu", leaking, 1);
  assertStringIncludes(failures.join(), "left behind");
});
