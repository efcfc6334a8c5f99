/** Loss terms against their formulas, and their gradients against differences [recurrent-vae §4]. */
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import {
  offsetPenalty,
  offsetPenaltyGradient,
  transitionPenalty,
} from "../../src/models/recurrent_vae/losses/penalties.ts";
import {
  clampSquaredError,
  reconstructionLoss,
  squaredErrorSum,
} from "../../src/models/recurrent_vae/losses/reconstruction.ts";
import {
  klTemporalGradient,
  klTemporalLoss,
  squaredTemporalGradient,
  squaredTemporalLoss,
} from "../../src/models/recurrent_vae/losses/temporal.ts";
import { sumTerms } from "../../src/models/recurrent_vae/losses/terms.ts";
import { assertClose } from "../support/closeness.ts";

const SHAPE = [3, 2, 4];
const SCALE = { sigma: 0.7, batch: 2, frames: 3 };
const stream = RandomStream.fromSeed(1);

function states() {
  const draw = (name: string) => stream.split(name).normals64(24);
  return { h: draw("h"), gh: draw("gh"), mu: draw("mu"), logVar: draw("logVar") };
}

/** Central differences of a function of one array. */
function differences(of: (values: Float64Array) => number, at: Float64Array): Float64Array {
  const step = 1e-6;
  return at.map((value, i) => {
    const [up, down] = [at.slice(), at.slice()];
    up[i] = value + step;
    down[i] = value - step;
    return (of(up) - of(down)) / (2 * step);
  });
}

Deno.test("loss1 and loss2 divide by 2·B·T·σ² and by nothing else", () => {
  const { h, gh } = states();
  assertAlmostEquals(reconstructionLoss(8, { sigma: 2, batch: 2, frames: 1 }), 0.5, 1e-15);
  const direct = squaredErrorSum(h, gh) / (2 * 2 * 3 * 0.49);
  assertAlmostEquals(squaredTemporalLoss({ h, gh }, SCALE), direct, 1e-12);
  assertThrows(() => squaredErrorSum(h, gh.subarray(1)), ShapeError);
});

Deno.test("the KL term is zero iff posterior equals prior, and never negative", () => {
  const { gh } = states();
  const logVar = new Float64Array(24).fill(2 * Math.log(0.7));
  assertAlmostEquals(klTemporalLoss({ mu: gh, gh, logVar }, SCALE), 0, 1e-12);
  for (let k = 0; k < 50; k++) {
    const draw = (name: string) => stream.split(name).split(k).normals64(24);
    const value = klTemporalLoss({ mu: draw("a"), gh: draw("b"), logVar: draw("c") }, SCALE);
    assert(value > 0, `${value}`);
  }
});

Deno.test("the gradients of both temporal losses equal differences", async () => {
  await selectBackend("reference");
  const given = states();
  const tensors = {
    h: toTensor(given.h, SHAPE),
    gh: toTensor(given.gh, SHAPE),
    mu: toTensor(given.mu, SHAPE),
    logVar: toTensor(given.logVar, SHAPE),
  };
  const squared = squaredTemporalGradient(tensors, SCALE);
  const kl = klTemporalGradient(tensors, SCALE, 0.3);
  const squaredIn = (key: "h" | "gh") => (values: Float64Array) =>
    squaredTemporalLoss({ ...given, [key]: values }, SCALE);
  const klIn = (key: "mu" | "gh" | "logVar") => (values: Float64Array) =>
    0.3 * klTemporalLoss({ ...given, [key]: values }, SCALE);
  const cases = [
    [squared.h!, differences(squaredIn("h"), given.h)],
    [squared.gh, differences(squaredIn("gh"), given.gh)],
    [kl.mu!, differences(klIn("mu"), given.mu)],
    [kl.gh, differences(klIn("gh"), given.gh)],
    [kl.logVar!, differences(klIn("logVar"), given.logVar)],
  ] as const;
  for (const [gradient, expected] of cases) {
    assertClose(await toHost(gradient), expected, { tolerance: 1e-7 });
  }
  assertEquals([squared.mu, squared.logVar, kl.h], [null, null, null]);
});

Deno.test("penalties: λ·Σ|z| with sign(0) = 0, ρ·ΣF²", async () => {
  await selectBackend("cpu");
  assertEquals(offsetPenalty(Float32Array.of(-1, 0, 2), 10), 30);
  const gradient = offsetPenaltyGradient(toTensor(Float32Array.of(-1, 0, 2), [3]), 10);
  assertEquals([...await toHost(gradient)], [-10, 0, 10]);
  assertAlmostEquals(transitionPenalty(Float32Array.of(1, 2), 0.1), 0.5, 1e-12);
  assertEquals(sumTerms({ loss1: 1, loss2: 2, lossZ: 3, lossF: 4 }).loss, 6);
});

Deno.test("the clamped error counts per frame, is flat outside the bounds, and its derivative equals differences", async () => {
  await selectBackend("reference");
  const shape = [4, 2, 3, 2, 1];
  const a = stream.split("a").normals64(48).map((v) => 3 * v);
  const target = stream.split("target").normals64(48);
  const weight = stream.split("weight").uniforms64(12);
  const direct = (values: Float64Array, group: number) => {
    let sum = 0;
    for (let i = group * 24; i < (group + 1) * 24; i++) {
      sum += weight[i % 12] * (target[i] - Math.max(-3, Math.min(3, values[i]))) ** 2;
    }
    return sum;
  };
  const { sums, derivative } = clampSquaredError(toTensor(a, shape), toTensor(target, shape), {
    weight: toTensor(weight, [2, 3, 2]),
    sampleGroups: 2,
    derivativeScale: 0.25,
  });
  assertClose(await toHost(sums), [direct(a, 0), direct(a, 1)], { tolerance: 1e-12 });
  const expected = differences((v) => 0.25 * (direct(v, 0) + direct(v, 1)), a);
  assertClose(await toHost(derivative), expected, { tolerance: 1e-7 });
  const values = await toHost(derivative);
  a.forEach((v, i) => assertEquals(values[i] === 0, Math.abs(v) > 3));
});
