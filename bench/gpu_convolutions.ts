/** The eight convolutions on a GPU engine: every call is awaited to its end, nothing queued is ever timed. */
import type { BackendName } from "../src/backends/engine.ts";
import { selectBackend } from "../src/backends/registry.ts";
import type { SpatialShape } from "../src/base/arrays.ts";
import { tf } from "../src/deps/tfjs.ts";
import { finished, prepareLayer } from "./layer_operations.ts";
import { convolutionLayers } from "./layers.ts";
import { digits, milliseconds, type Spread, spreadOf, textTable } from "./measurements.ts";

/** Calls queued per timing, so that the wait for the last is a small part. */
const CALLS = 4;

/** One layer and operation. */
export interface GpuConvolution {
  readonly layer: string;
  readonly operation: string;
  /** Milliseconds of one call. */
  readonly time: Spread;
  /** Of the least time; a multiply-add counts as two. */
  readonly gflops: number;
  /** 10⁹ bytes per second of reading the input and writing the result once, of the least time. */
  readonly gigabytesPerSecond: number;
}

/**
 * Measures all layers and operations.
 *
 * @param backend Engine; stopped afterwards.
 * @param options Volumes per call, their size, timed repeats.
 */
export async function measureGpuConvolutions(
  backend: BackendName,
  options: {
    readonly samples: number;
    readonly spatialShape: SpatialShape;
    readonly repeats: number;
  },
): Promise<GpuConvolution[]> {
  const { samples, spatialShape, repeats } = options;
  const engine = await selectBackend(backend);
  const results: GpuConvolution[] = [];
  for (const layer of convolutionLayers(spatialShape)) {
    const { tensors, operations } = prepareLayer(layer, samples);
    for (const [operation, run] of Object.entries(operations)) {
      const once = () =>
        milliseconds(async () => {
          for (let i = 1; i < CALLS; i++) run().dispose();
          await finished(run());
        });
      await once();
      const times: number[] = [];
      for (let i = 0; i < repeats; i++) times.push(await once() / CALLS);
      const time = spreadOf(times);
      const voxels = (size: readonly number[]) => size.reduce((a, b) => a * b, 1);
      const values = samples *
        (voxels(layer.fine) * layer.fineChannels + voxels(layer.coarse) * layer.coarseChannels);
      results.push({
        layer: layer.name,
        operation,
        time,
        gflops: 2 * layer.multiplyAdds * samples / time.least / 1e6,
        gigabytesPerSecond: 4 * values / time.least / 1e6,
      });
    }
    tf.dispose(tensors);
  }
  await engine.stop();
  return results;
}

/**
 * The results as a table, beside the device's ceilings where they are known.
 *
 * @param results From {@link measureGpuConvolutions}.
 * @param ceilings Of the device, or null.
 */
export function gpuConvolutionTable(
  results: readonly GpuConvolution[],
  ceilings: { readonly gigaflops: number; readonly gigabytesPerSecond: number } | null,
): string {
  const share = (value: number, ceiling: number | undefined) =>
    ceiling === undefined ? "-" : `${(100 * value / ceiling).toFixed(0)} %`;
  return textTable(
    ["convolution", "ms least", "ms median", "GFLOP/s", "of ceiling", "GB/s", "of ceiling"],
    results.map(({ layer, operation, time, gflops, gigabytesPerSecond }) => [
      `${layer} ${operation}`,
      digits(time.least),
      digits(time.median),
      digits(gflops),
      share(gflops, ceilings?.gigaflops),
      digits(gigabytesPerSecond),
      share(gigabytesPerSecond, ceilings?.gigabytesPerSecond),
    ]),
  );
}
