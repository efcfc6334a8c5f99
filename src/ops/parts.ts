/** Joining tensors and taking parts of them, with gradients that only move values. */
import {
  identityAxis,
  listedAxis,
  runTapSum,
  type TapMap,
  transposedMap,
} from "../backends/tap_contract.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";

/**
 * Tensors one behind the other along an axis. Differentiable in all of them.
 *
 * @param tensors At least one; equal shapes but for the axis.
 * @param axis Negative counts from the end.
 * @returns The lengths of the axis added up.
 * @throws {ShapeError} when shapes differ elsewhere.
 * @throws {ConfigError} for an axis that the tensors do not have, or no tensor.
 */
export function concatenate(tensors: readonly tf.Tensor[], axis: number): tf.Tensor {
  const doing = "Concatenating";
  if (tensors.length === 0) {
    throw new ConfigError("tensors", `${doing}: found no tensor, needs at least one`);
  }
  const shape = tensors[0].shape;
  const along = axisOf(doing, tensors[0], axis);
  for (const other of tensors) {
    if (
      other.shape.length === shape.length &&
      shape.every((n, a) => a === along || n === other.shape[a])
    ) {
      continue;
    }
    const needed = `[${shape.map((n, a) => a === along ? "any" : n).join(", ")}]`;
    throw new ShapeError(
      `${doing} along axis ${along}: found shape [${other.shape.join(", ")}] beside [${
        shape.join(", ")
      }], needs ${needed}`,
      other.shape,
      needed,
    );
  }
  const lengths = tensors.map((tensor) => tensor.shape[along]);
  return runDifferentiable([...tensors], {
    forward: (parts) => tf.concat([...parts], along),
    gradient: (dy) => tf.split(dy, lengths, along),
  });
}

/**
 * Cuts a tensor along an axis. Differentiable in x.
 *
 * @param x Any shape, float32.
 * @param lengths Of the parts; they add up to the axis.
 * @param options `axis`; default the last one.
 * @returns One tensor per length.
 * @throws {ConfigError} when lengths are no whole numbers or the axis does not exist.
 * @throws {ShapeError} when the lengths do not add up.
 */
export function split(
  x: tf.Tensor,
  lengths: readonly number[],
  options: { readonly axis?: number } = {},
): tf.Tensor[] {
  const doing = "Splitting";
  const along = axisOf(doing, x, options.axis ?? -1);
  const sum = lengths.reduce((total, n) => total + n, 0);
  if (lengths.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ConfigError(
      "lengths",
      `${doing}: lengths are [${lengths.join(", ")}], needs whole numbers of at least 0`,
    );
  }
  if (sum !== x.shape[along]) {
    throw new ShapeError(
      `${doing} along axis ${along}: lengths [${lengths.join(", ")}] add up to ${sum}, needs ${
        x.shape[along]
      } for a tensor of shape [${x.shape.join(", ")}]`,
      x.shape,
      `lengths that add up to ${x.shape[along]}`,
    );
  }
  return runSplit(x, lengths, along);
}

/** The stock kernel with its gradient: the parts' gradients joined, zeros for a part that nobody used. */
function runSplit(x: tf.Tensor, lengths: readonly number[], axis: number): tf.Tensor[] {
  const engine = tf.engine() as unknown as {
    runKernelFunc(operation: {
      inputs: Record<string, tf.Tensor>;
      forwardFunc: () => tf.Tensor[];
      backwardsFunc: (dys: tf.Tensor[]) => Record<string, () => tf.Tensor>;
    }): tf.Tensor[];
  };
  return engine.runKernelFunc({
    inputs: { x },
    forwardFunc: () => tf.split(x, [...lengths], axis),
    // With a single part the tape hands over its gradient bare.
    backwardsFunc: (dys) => ({ x: () => tf.concat([dys].flat(), axis) }),
  });
}

/** Which places {@link slice} takes of an axis. */
export interface SliceOptions {
  /** Negative counts from the end; default the first. */
  readonly axis?: number;
  /** First place, 0 … n − 1 (n too where the length is 0); default 0. */
  readonly begin?: number;
  /** Number of places; default all from `begin` on, in steps of `step`. */
  readonly length?: number;
  /** Places from one to the next, not 0; negative runs backwards. Default 1. */
  readonly step?: number;
}

/**
 * Some places of one axis: begin, begin + step, … Differentiable.
 *
 * @param x Any shape, float32.
 * @param options Axis and places.
 * @returns x's shape with another length of that axis.
 * @throws {ConfigError} when a place lies outside or a number is not whole.
 */
export function slice(x: tf.Tensor, options: SliceOptions): tf.Tensor {
  const doing = "Slicing";
  const axis = axisOf(doing, x, options.axis ?? 0);
  const n = x.shape[axis];
  const { begin = 0, step = 1 } = options;
  const left = step > 0 ? n - begin : begin + 1;
  const length = options.length ?? Math.max(0, Math.ceil(left / Math.abs(step)));
  const last = begin + (length - 1) * step;
  const inside = (place: number) => place >= 0 && place < n;
  const whole = [begin, step, length].every(Number.isInteger) && step !== 0 && length >= 0;
  if (!whole || (length > 0 && !(inside(begin) && inside(last)))) {
    throw new ConfigError(
      "begin",
      `${doing} axis ${axis} of a tensor of shape [${x.shape.join(", ")}]: begin is ${begin}, ` +
        `length ${length}, step ${step}, needs whole numbers and places in 0 … ${n - 1}`,
    );
  }
  if (step !== 1) {
    const places = Int32Array.from({ length }, (_, i) => begin + i * step);
    return takePlaces(x, { axis, places });
  }
  const after = n - begin - length;
  return runDifferentiable([x], {
    forward: ([source]) =>
      tf.slice(
        source,
        source.shape.map((_, a) => a === axis ? begin : 0),
        source.shape.map((size, a) => a === axis ? length : size),
      ),
    gradient: (dy) => [
      tf.pad(dy, dy.shape.map((_, a) => a === axis ? [begin, after] : [0, 0])),
    ],
  });
}

/**
 * The places of an axis that a list names, in its order; a place may come several times, its gradients are added.
 * Differentiable in x.
 *
 * @param x Any shape, float32.
 * @param places 0 … n − 1 each; a list, or a one-axis int32 tensor. A tensor on a GPU is not checked.
 * @param options `axis`; default the first.
 * @returns x's shape with the axis as long as the list.
 * @throws {ConfigError} when a place lies outside, or the axis does not exist.
 */
export function gather(
  x: tf.Tensor,
  places: readonly number[] | Int32Array | tf.Tensor,
  options: { readonly axis?: number } = {},
): tf.Tensor {
  const axis = axisOf("Gathering", x, options.axis ?? 0);
  if (isTensor(places)) return gatherOnEngine(x, places, axis);
  const wrong = places.find((place) =>
    !Number.isInteger(place) || place < 0 || place >= x.shape[axis]
  );
  if (wrong !== undefined) {
    throw new ConfigError(
      "places",
      `Gathering along axis ${axis} of a tensor of shape [${
        x.shape.join(", ")
      }]: found place ${wrong}, ` +
        `needs whole numbers in 0 … ${x.shape[axis] - 1}`,
    );
  }
  return takePlaces(x, { axis, places });
}

function isTensor(places: readonly number[] | Int32Array | tf.Tensor): places is tf.Tensor {
  return !Array.isArray(places) && !(places instanceof Int32Array);
}

/** Places known to the host: one map of single taps, whose gradient is its transpose. */
function takePlaces(
  x: tf.Tensor,
  { axis, places }: { axis: number; places: readonly number[] | Int32Array },
): tf.Tensor {
  const inner = product(x.shape.slice(axis + 1));
  const lists = Array.from(places, (place) => [place]);
  const map: TapMap = {
    axes: [
      identityAxis(),
      identityAxis(),
      listedAxis(lists, { length: x.shape[axis], step: inner }),
    ],
    samples: product(x.shape.slice(0, axis)),
    inner,
    inputShape: x.shape,
    outputShape: x.shape.map((n, a) => a === axis ? places.length : n),
  };
  return runDifferentiable([x], {
    forward: ([source]) => runTapSum(source, map),
    gradient: (dy) => [runTapSum(dy, transposedMap(map))],
  });
}

/** Places known to the engine alone. */
function gatherOnEngine(x: tf.Tensor, places: tf.Tensor, axis: number): tf.Tensor {
  if (places.dtype !== "int32" || places.shape.length !== 1) {
    throw new ShapeError(
      `Gathering: places are a ${places.dtype} tensor of shape [${places.shape.join(", ")}], ` +
        "needs an int32 tensor of one axis",
      places.shape,
      "an int32 tensor of one axis",
    );
  }
  const front = [axis, ...x.shape.map((_, a) => a).filter((a) => a !== axis)];
  const back = x.shape.map((_, a) => front.indexOf(a));
  return runDifferentiable([x], {
    forward([source], save) {
      save([places]);
      return tf.gather(source, places as tf.Tensor1D, axis);
    },
    gradient: (dy, [kept]) => [
      tf.tidy(() => {
        const sum = (rows: tf.Tensor) =>
          tf.unsortedSegmentSum(rows, kept as tf.Tensor1D, x.shape[axis]);
        return axis === 0 ? sum(dy) : tf.transpose(sum(tf.transpose(dy, front)), back);
      }),
    ],
  });
}

function axisOf(doing: string, x: tf.Tensor, axis: number): number {
  const rank = x.shape.length;
  const counted = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(counted) && counted >= 0 && counted < rank) return counted;
  throw new ConfigError(
    "axis",
    `${doing}: axis is ${axis}, needs a whole number in ${-rank} … ${rank - 1} for a tensor of ` +
      `shape [${x.shape.join(", ")}]`,
  );
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((result, n) => result * n, 1);
}
