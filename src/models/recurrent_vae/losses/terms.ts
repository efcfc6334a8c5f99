/**
 * The loss of one batch, in parts, as the reference names them [recurrent-vae §4].
 */

import { checkOptions, integer, number, record } from "../../../base/fields.ts";

/** loss = loss1 + loss2 + lossZ; lossF is reported only. All float64. */
export interface LossTerms {
  /** What is minimised. */
  readonly loss: number;
  /** Reconstruction: Σ(x − r)²/(2·B·T·σ_x²). */
  readonly loss1: number;
  /** Temporal prior: Σ(h − gh)²/(2·B·T·σ_h²), or the KL divergence per frame and subject. */
  readonly loss2: number;
  /** λ_z·Σ|z| over the whole table. */
  readonly lossZ: number;
  /** ρ·ΣF², never differentiated. */
  readonly lossF: number;
}

/** What the sums of [recurrent-vae §4] are divided by. */
export interface LossScale {
  /** Standard deviation σ_x or σ_h. */
  readonly sigma: number;
  /** Subjects B. */
  readonly batch: number;
  /** Frames T. */
  readonly frames: number;
}

const SCALE_FIELDS = record<LossScale>({
  sigma: number({ above: 0 }),
  batch: integer({ least: 1 }),
  frames: integer({ least: 1 }),
}, ["sigma", "batch", "frames"]);

/**
 * Makes sure that a scale is whole: a misspelt field would make the loss NaN.
 *
 * @throws {ConfigError} naming the field.
 */
export function checkScale(scale: LossScale): void {
  checkOptions(scale, SCALE_FIELDS, { doing: "Cannot compute the loss" });
}

/**
 * Adds the parts up.
 *
 * @param parts The four components.
 * @returns Them and their sum, without lossF.
 */
export function sumTerms(parts: Omit<LossTerms, "loss">): LossTerms {
  return { loss: parts.loss1 + parts.loss2 + parts.lossZ, ...parts };
}
