/** Rejection sampling of one density by draws from another, in log space. */
import type { NdArray } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";
import type { RandomStream } from "../base/random.ts";
import type { Density } from "./densities.ts";
import { quantile } from "./densities.ts";

/**
 * ln M of the rule u·M·q ≤ p: the largest ratio p/q over some samples, or a quantile of the ratios.
 *
 * @param logP At the samples.
 * @param logQ At the same.
 * @param rule `"max"`, or a share of 0 … 1.
 */
export function logScale(
  logP: Float64Array,
  logQ: Float64Array,
  rule: "max" | number = "max",
): number {
  const ratios = logP.map((value, i) => value - logQ[i]);
  if (rule === "max") return ratios.reduce((a, b) => Math.max(a, b), -Infinity);
  return Math.log(quantile(ratios.map(Math.exp), rule));
}

/**
 * Which proposals are accepted: those with ln u + ln M + ln q ≤ ln p.
 *
 * @param logP At the proposals.
 * @param given `logQ` there, `logM`, and uniform numbers.
 */
export function acceptProposals(
  logP: Float64Array,
  given: {
    readonly logQ: Float64Array;
    readonly logM: number;
    readonly uniforms: ArrayLike<number>;
  },
): boolean[] {
  return Array.from(
    logP,
    (value, i) => Math.log(given.uniforms[i]) + given.logM + given.logQ[i] <= value,
  );
}

/** What rejection sampling gives. */
export interface RejectionResult {
  /** `[count, D]`. */
  readonly samples: NdArray<Float64Array>;
  /** Accepted of all proposals. */
  readonly acceptance: number;
}

/**
 * Draws from a density.
 *
 * @param target What to draw from.
 * @param options `proposal` to draw with; `logM`; how many; a cap on proposals, default 1,000 per sample.
 * @throws {ConfigError} when the cap is reached first.
 */
export function rejectionSample(
  target: Pick<Density, "logDensity">,
  options: {
    readonly proposal: Density;
    readonly logM: number;
    readonly count: number;
    readonly random: RandomStream;
    readonly cap?: number;
  },
): RejectionResult {
  const { proposal, logM, count, random, cap = 1000 * count } = options;
  const kept: Float64Array[] = [];
  let proposed = 0;
  for (let round = 0; kept.length < count; round++) {
    if (proposed >= cap) {
      throw new ConfigError(
        "ratio",
        `Cannot draw ${count} samples: ${kept.length} of ${proposed} proposals were accepted; take a wider kernel ` +
          "(--kernel-factor), the 75 % rule (--scale 0.75), or the bundle's Gaussian",
      );
    }
    const draw = random.split(round);
    const rows = proposal.sample(Math.min(1000, Math.max(100, count)), draw);
    const [batch, D] = rows.shape;
    const accepted = acceptProposals(target.logDensity(rows), {
      logQ: proposal.logDensity(rows),
      logM,
      uniforms: draw.split("uniforms").uniforms64(batch),
    });
    accepted.forEach((yes, i) => yes && kept.push(rows.data.slice(i * D, (i + 1) * D)));
    proposed += batch;
  }
  const D = kept[0]?.length ?? 0;
  const data = new Float64Array(count * D);
  for (let i = 0; i < count; i++) data.set(kept[i], i * D);
  return { samples: { data, shape: [count, D] }, acceptance: kept.length / proposed };
}
