import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { foldRunningStatistics } from "../../src/ops/running_statistics.ts";
import { assertClose } from "../support/closeness.ts";
import { normalArray, uniformArray } from "../support/random_arrays.ts";

Deno.test("folding equals one update per group in order, with the unbiased variance", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(51);
  const [groups, channels, count] = [5, 3, 7];
  const mean = normalArray(random, [groups, channels]);
  const variance = uniformArray(random, [groups, channels], [0, 2]);
  const running = { mean: [0, 0.5, -1], variance: [1, 2, 0.25] };
  for (let s = 0; s < groups; s++) {
    for (let c = 0; c < channels; c++) {
      const i = s * channels + c;
      running.mean[c] = 0.9 * running.mean[c] + 0.1 * mean.data[i];
      running.variance[c] = 0.9 * running.variance[c] +
        0.1 * variance.data[i] * count / (count - 1);
    }
  }
  tf.tidy(() => {
    const folded = foldRunningStatistics({
      mean: toTensor(Float64Array.of(0, 0.5, -1), [channels]),
      variance: toTensor(Float64Array.of(1, 2, 0.25), [channels]),
    }, {
      batch: {
        mean: toTensor(mean.data, mean.shape),
        variance: toTensor(variance.data, variance.shape),
      },
      count,
    });
    assertClose(folded.mean.dataSync(), running.mean, { tolerance: 1e-14 });
    assertClose(folded.variance.dataSync(), running.variance, { tolerance: 1e-14 });
  });
});

Deno.test("folding refuses a single value per channel, whose unbiased variance does not exist", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const statistics = { mean: tf.zeros([1, 2]), variance: tf.zeros([1, 2]) };
    const running = { mean: tf.zeros([2]), variance: tf.ones([2]) };
    assertThrows(
      () => foldRunningStatistics(running, { batch: statistics, count: 1 }),
      ConfigError,
      "needs at least 2",
    );
  });
});
