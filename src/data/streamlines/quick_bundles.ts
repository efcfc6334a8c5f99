/**
 * QuickBundles: bundles of streamlines whose mean direct-flip distance to the bundle's mean is below a threshold, in one
 * pass. Source: E. Garyfallidis et al., Frontiers in Neuroscience 6:175, 2012.
 */
import { ConfigError } from "../../base/errors.ts";
import type { Tractogram } from "../../formats/tractogram.ts";
import {
  flipStreamline,
  meanDirectFlipDistance,
  resampleStreamlines,
  type Streamlines,
  tractogramOf,
} from "./geometry.ts";

/** Options of {@link quickBundles}. */
export interface QuickBundlesOptions {
  /** mm; default 10. */
  readonly threshold?: number;
  /** Points at which streamlines are compared; default 12. */
  readonly points?: number;
}

/** Bundles that were found. */
export interface Bundles {
  /** Bundle of every streamline, 0 … count − 1 in the order in which bundles were found. */
  readonly labels: Int32Array;
  /** Mean streamline of every bundle, `[P, 3]` each. */
  readonly centroids: readonly Float32Array[];
  /** Streamlines of each bundle. */
  readonly sizes: readonly number[];
}

/**
 * Finds bundles; the result depends on the order of the streamlines, as in the original.
 *
 * @param tractogram Streamlines of at least two points.
 * @param options See {@link QuickBundlesOptions}.
 * @throws {ConfigError} when the threshold is not above 0.
 */
export function quickBundles(
  tractogram: Pick<Tractogram, "points" | "offsets">,
  options: QuickBundlesOptions = {},
): Bundles {
  const { threshold = 10, points = 12 } = options;
  if (!(threshold > 0)) {
    throw new ConfigError(
      "threshold",
      `Cannot find bundles within ${threshold} mm, needs a distance above 0`,
    );
  }
  const { data, shape: [count] } = resampleStreamlines(tractogram, points);
  const labels = new Int32Array(count);
  const centroids: Float32Array[] = [];
  const sizes: number[] = [];
  for (let s = 0; s < count; s++) {
    const own = data.subarray(3 * s * points, 3 * (s + 1) * points);
    const { label, flipped, distance } = nearestOf(own, centroids);
    if (distance >= threshold) {
      labels[s] = centroids.length;
      centroids.push(own.slice());
      sizes.push(1);
      continue;
    }
    labels[s] = label;
    const share = 1 / ++sizes[label];
    const member = flipped ? flipStreamline(own) : own;
    const centroid = centroids[label];
    for (let i = 0; i < member.length; i++) centroid[i] += (member[i] - centroid[i]) * share;
  }
  return { labels, centroids, sizes };
}

function nearestOf(own: Float32Array, centroids: readonly Float32Array[]) {
  let nearest = { label: -1, distance: Infinity, flipped: false };
  centroids.forEach((centroid, label) => {
    const found = meanDirectFlipDistance(centroid, own);
    if (found.distance < nearest.distance) nearest = { label, ...found };
  });
  return nearest;
}

/**
 * Puts the streamlines of each bundle into one direction: that of the bundle's first streamline, which then follows the
 * running mean.
 *
 * @param streamlines `[N, P, 3]`.
 * @param labels Bundle of each.
 * @returns The same streamlines, some from their other end.
 */
export function orientStreamlines(
  streamlines: Streamlines,
  labels: ArrayLike<number>,
): Streamlines {
  const { data, shape } = streamlines;
  const [count, points] = shape;
  const width = 3 * points;
  const oriented = data.slice();
  const means = new Map<number, { mean: Float32Array; size: number }>();
  const coarse = resampleStreamlines(tractogramOf(streamlines), 12).data;
  for (let s = 0; s < count; s++) {
    const own = coarse.subarray(36 * s, 36 * (s + 1));
    const bundle = means.get(labels[s]);
    if (!bundle) {
      means.set(labels[s], { mean: own.slice(), size: 1 });
      continue;
    }
    const { flipped } = meanDirectFlipDistance(bundle.mean, own);
    const member = flipped ? flipStreamline(own) : own;
    bundle.size++;
    for (let i = 0; i < 36; i++) bundle.mean[i] += (member[i] - bundle.mean[i]) / bundle.size;
    if (flipped) {
      const turned = flipStreamline(data.subarray(s * width, (s + 1) * width));
      oriented.set(turned, s * width);
    }
  }
  return { data: oriented, shape };
}
