/** Categorical cross-entropy of logits against labels. */
import { runSoftmax } from "../backends/activation_contract.ts";
import { toScalar } from "../backends/tensors.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "../ops/differentiable.ts";
import { requireShape } from "../ops/shape_checks.ts";
import { weightedGradient, weightedSum, type Weighting, weightsOf } from "./weighting.ts";

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions extends Weighting {
  /**
   * Share s of the target that is spread over all classes: the label's probability is 1 − s + s/C, every other one's s/C.
   * From 0 to below 1; default 0.
   */
  readonly smoothing?: number;
  /** Label of rows that do not count, in the mean neither. Default −100, as in PyTorch. */
  readonly ignoredLabel?: number;
}

/**
 * −Σ_c q_c·ln softmax(logits)_c of every row, q being 1 at the label (see `smoothing`). A label outside 0 … C−1 that is
 * not the ignored one makes the loss infinite or NaN. Differentiable in the logits; labels and mask are constants.
 *
 * @param logits `[..., C]` float32.
 * @param labels `[...]` int32, 0 … C−1.
 * @param options Mask `[...]`, reduction, smoothing, ignored label.
 * @returns `[]`, in nats.
 * @throws {ShapeError} when labels or mask do not fit, or there is no class.
 * @throws {ConfigError} when smoothing is not in [0, 1) or labels are not int32.
 *
 * @example
 * ```ts ignore
 * const loss = crossEntropy(logits, tf.tensor1d([0, 2, 1], "int32"));
 * ```
 */
export function crossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  options: CrossEntropyOptions = {},
): tf.Tensor {
  const { smoothing = 0, ignoredLabel = -100 } = options;
  check(logits, labels, options);
  const rows = labels.size;
  const classes = logits.shape[logits.shape.length - 1];
  return runDifferentiable([logits], {
    forward([input], save) {
      const logs = runSoftmax(tf.reshape(input, [rows, classes]), { logarithmic: true });
      const { target, mask, factor } = rowsOf(
        labels,
        { classes, smoothing, ignoredLabel },
        options,
      );
      save([logs, target, factor, mask]);
      const perRow = tf.neg(tf.sum(tf.mul(target, logs), 1, true));
      return weightedSum(perRow, { mask, factor });
    },
    gradient(dy, [logs, target, factor, mask]) {
      const derivative = tf.sub(tf.exp(logs), target);
      return [tf.reshape(weightedGradient(derivative, dy, { mask, factor }), logits.shape)];
    },
  });
}

/** q `[rows, C]`, weights `[rows, 1]` and the factor on the sum. */
function rowsOf(
  labels: tf.Tensor,
  { classes, smoothing, ignoredLabel }: {
    readonly classes: number;
    readonly smoothing: number;
    readonly ignoredLabel: number;
  },
  options: Weighting,
) {
  const column = tf.reshape(labels, [labels.size, 1]);
  // 0 at the ignored label, else 1.
  const distance = tf.abs(tf.sub(tf.cast(column, "float32"), toScalar(ignoredLabel)));
  const counted = tf.step(distance);
  const ignored = tf.sub(toScalar(1), counted);
  const hits = tf.cast(
    tf.oneHot(tf.reshape(labels, [labels.size]) as tf.Tensor1D, classes),
    "float32",
  );
  // 1 where the label is a class or is ignored; else 0, and dividing by it makes the loss infinite or NaN.
  const valid = tf.maximum(ignored, tf.sum(hits, 1, true));
  const kept = tf.mul(hits, toScalar(1 - smoothing));
  const target = tf.div(tf.add(kept, toScalar(smoothing / classes)), valid);
  const given = options.mask ? tf.reshape(options.mask, [labels.size, 1]) : null;
  const mask = given ? tf.mul(given, counted) : counted;
  return { target, ...weightsOf([labels.size, 1], { ...options, mask }, DOING), mask };
}

const DOING = "Cross-entropy";

function check(logits: tf.Tensor, labels: tf.Tensor, options: CrossEntropyOptions): void {
  const { smoothing = 0 } = options;
  if (!(logits.shape[logits.shape.length - 1] > 0)) {
    const words = "[..., C] with C of at least 1";
    throw new ShapeError(
      `${DOING}: logits have shape [${logits.shape}], needs ${words}`,
      logits.shape,
      words,
    );
  }
  requireShape(DOING, "labels", {
    shape: labels.shape,
    pattern: logits.shape.slice(0, -1),
    words: "[...], the shape of the logits without classes",
  });
  if (options.mask) {
    requireShape(DOING, "mask", {
      shape: options.mask.shape,
      pattern: labels.shape,
      words: "[...], one weight per label",
    });
  }
  if (labels.dtype !== "int32") {
    throw new ConfigError(
      "labels",
      `${DOING}: labels are ${labels.dtype}, needs int32; make them with tf.tensor1d(labels, "int32")`,
    );
  }
  if (!(smoothing >= 0 && smoothing < 1)) {
    throw new ConfigError(
      "smoothing",
      `${DOING}: smoothing is ${smoothing}, needs a number from 0 to below 1`,
    );
  }
}
