/** Runs one computation on two engines and compares the results. */
import type { ActiveEngine, Engine } from "../../src/backends/engine.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { assertClose } from "./closeness.ts";

/** A computation on tensors; everything it returns is compared. */
export type Computation = (tensors: tf.Tensor[]) => tf.Tensor[];

/** Shapes and values of the results of `compute` on the current engine. */
export async function evaluate(
  compute: Computation,
  inputs: readonly NdArray<Float64Array>[],
  { double }: { double: boolean },
): Promise<{ shape: number[]; values: ArrayLike<number> }[]> {
  const tensors = inputs.map(({ data, shape }) =>
    toTensor(double ? data : Float32Array.from(data), shape)
  );
  const results = compute(tensors);
  const read = [];
  for (const tensor of results) {
    read.push({ shape: [...tensor.shape], values: await toHost(tensor) });
  }
  tf.dispose([...tensors, ...results]);
  return read;
}

/** Rounding allowed to a float32 sum of `terms` products of random sign, relative to the largest result. */
export function sumTolerance(terms: number): number {
  return 2 ** -24 * (4 + Math.sqrt(terms));
}

/**
 * Fails unless the engine agrees with the float64 reference.
 *
 * @param tolerances One per result, relative to the largest value of that result.
 */
export async function assertAgrees(
  compute: Computation,
  inputs: readonly NdArray<Float64Array>[],
  { engine, reference, tolerances, what }: {
    engine: ActiveEngine;
    reference: Engine;
    tolerances: readonly number[];
    what: string;
  },
): Promise<void> {
  await tf.setBackend(engine.tfName);
  const found = await evaluate(compute, inputs, { double: false });
  const { tfName } = await reference.start();
  const needed = await evaluate(compute, inputs, { double: true });
  await tf.setBackend(engine.tfName);
  assertEquals(tf.getBackend() === tfName, false, "an engine cannot be compared with itself");
  needed.forEach(({ shape, values }, i) => {
    assertEquals(found[i].shape, shape, `${what}: shape of result ${i}`);
    assertClose(found[i].values, values, {
      tolerance: tolerances[i],
      what: `${what}: result ${i}`,
    });
  });
}
