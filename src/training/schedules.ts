/**
 * Learning rates over time, and the ramp of the KL weight. All are pure functions of the position and of the metrics up
 * to there, so that a resumed run needs no schedule state.
 */
import { ConfigError } from "../base/errors.ts";
import { checkOptions, choice, integer, number, record, text } from "../base/fields.ts";
import type { EpochMetrics } from "./training_state.ts";

/** Names of the schedules. */
export type ScheduleKind = "constant" | "cosine" | "warmup-cosine" | "plateau";

/** Those that follow from the position alone. */
export const SCHEDULE_KINDS: readonly ScheduleKind[] = ["constant", "cosine", "warmup-cosine"];

/** Where training stands before an update. */
export interface TrainingPosition {
  /** 0-based epoch. */
  readonly epoch: number;
  /** 0-based batch since the start of the run. */
  readonly step: number;
  /** Of the finished epochs; without them a plateau is not seen. */
  readonly metrics?: readonly EpochMetrics[];
}

/** Options of a schedule. */
export interface ScheduleOptions {
  /** The rate at its highest, above 0. */
  readonly learningRate: number;
  /** Epochs of the whole run, at least 1; needed unless `steps` is given or the kind is `"plateau"`. */
  readonly epochs?: number;
  /** Updates of the whole run: what is counted with `per: "step"`, in place of epochs times `stepsPerEpoch`. */
  readonly steps?: number;
  /** What is counted: the rate changes once per `"epoch"` (default) or with every `"step"`. */
  readonly per?: "epoch" | "step";
  /** Updates per epoch; needed with `per: "step"` unless `steps` is given. */
  readonly stepsPerEpoch?: number;
  /** The smallest rate, 0 ≤ etaMin ≤ learningRate: at the end of a cosine, at the foot of a plateau; default 0. */
  readonly etaMin?: number;
  /** Epochs or steps (as `per` says) of linear rise of `"warmup-cosine"`; default a tenth of all, at least 1. */
  readonly warmup?: number;
  /** Factor of `"plateau"` on the rate, above 0 and below 1; default 0.1. */
  readonly factor?: number;
  /** Epochs without improvement that `"plateau"` bears before it lowers the rate, at least 0; default 10. */
  readonly patience?: number;
  /** An improvement for `"plateau"` is a decrease by more than this share of the best value, at least 0; default 1e-4. */
  readonly threshold?: number;
  /** Metric that `"plateau"` watches, smaller is better; epochs that lack it do not count. Default `"loss"`. */
  readonly monitor?: string;
}

/** Options there are. */
const SCHEDULE_OPTIONS = record<ScheduleOptions>({
  learningRate: number({ above: 0 }),
  epochs: integer({ least: 1 }),
  steps: integer({ least: 1 }),
  per: choice(["epoch", "step"]),
  stepsPerEpoch: integer({ least: 1 }),
  etaMin: number({ least: 0 }),
  warmup: integer({ least: 0 }),
  factor: number({ above: 0, below: 1 }),
  patience: integer({ least: 0 }),
  threshold: number({ least: 0 }),
  monitor: text(),
}, ["learningRate"]);

/** A schedule. */
export interface LearningRateSchedule {
  /** Which formula it follows. */
  readonly name: ScheduleKind;
  /** Learning rate of the update at this position. */
  rateAt(position: TrainingPosition): number;
}

/**
 * Makes a schedule. With k the epoch or step and K their number:
 *
 * - constant: lr;
 * - cosine: etaMin + ½(lr − etaMin)(1 + cos(πk/K)), as `CosineAnnealingLR` with T_max = K [recurrent-vae §8]; etaMin
 *   from K on;
 * - warmup-cosine: lr·(k + 1)/W for k < W, then the cosine over the remaining K − W;
 * - plateau: lr, times `factor` each time that more than `patience` epochs in a row did not improve the metric, never below
 *   etaMin (`ReduceLROnPlateau`).
 *
 * @throws {ConfigError} when the name is unknown or an option is out of range.
 *
 * @example
 * ```ts
 * const schedule = createSchedule("cosine", { learningRate: 1e-4, epochs: 5 });
 * if (schedule.rateAt({ epoch: 0, step: 0 }) !== 1e-4) throw new Error("starts at the top");
 * ```
 */
export function createSchedule(kind: ScheduleKind, options: ScheduleOptions): LearningRateSchedule {
  checkOptions(options, SCHEDULE_OPTIONS, { doing: "Cannot make a schedule" });
  const { learningRate, etaMin = 0 } = options;
  requireCondition(
    "etaMin",
    etaMin,
    "0 ≤ etaMin ≤ learningRate",
    etaMin >= 0 && etaMin <= learningRate,
  );
  if (kind === "plateau") return plateau(options);
  const { per, total } = lengthOf(options);
  const countOf = (position: TrainingPosition) => position[per];
  const cosine = (k: number, length: number) =>
    etaMin + (learningRate - etaMin) * (1 + Math.cos(Math.PI * Math.min(1, k / length))) / 2;

  switch (kind) {
    case "constant":
      return { name: kind, rateAt: () => learningRate };
    case "cosine":
      return { name: kind, rateAt: (position) => cosine(countOf(position), total) };
    case "warmup-cosine": {
      const { warmup = Math.max(1, Math.round(total / 10)) } = options;
      requireCondition(
        "warmup",
        warmup,
        `a whole number from 0 to ${total}`,
        warmup <= total,
      );
      return {
        name: kind,
        rateAt(position) {
          const k = countOf(position);
          return k < warmup
            ? learningRate * (k + 1) / warmup
            : cosine(k - warmup, Math.max(1, total - warmup));
        },
      };
    }
    default:
      throw new ConfigError(
        "schedule",
        `Cannot make a schedule: found "${kind}", needs one of ${
          SCHEDULE_KINDS.join(", ")
        }, plateau`,
      );
  }
}

/** What is counted, and how many there are in the whole run. */
function lengthOf(
  { epochs, steps, per = "epoch", stepsPerEpoch }: ScheduleOptions,
): { readonly per: "epoch" | "step"; readonly total: number } {
  if (per === "step" && steps !== undefined) return { per, total: steps };
  requireCondition("epochs", epochs, "the epochs of the whole run", epochs !== undefined);
  if (per === "epoch") return { per, total: epochs! };
  const given = stepsPerEpoch !== undefined;
  requireCondition("stepsPerEpoch", "missing", 'the updates per epoch with per: "step"', given);
  return { per, total: epochs! * stepsPerEpoch! };
}

function plateau(options: ScheduleOptions): LearningRateSchedule {
  const { learningRate, etaMin = 0, factor = 0.1, patience = 10 } = options;
  const { threshold = 1e-4, monitor = "loss" } = options;
  return {
    name: "plateau",
    rateAt({ epoch, metrics = [] }) {
      let [rate, best, waited] = [learningRate, Infinity, 0];
      for (const past of metrics) {
        if (past.epoch >= epoch || !(monitor in past)) continue;
        const value = past[monitor];
        const margin = best === Infinity ? 0 : threshold * Math.abs(best);
        // What is not finite, null after a way through JSON, is no improvement.
        const improved = Number.isFinite(value) && value < best - margin;
        if (improved) best = value;
        waited = improved ? 0 : waited + 1;
        if (waited <= patience) continue;
        rate = Math.max(etaMin, rate * factor);
        waited = 0;
      }
      return rate;
    },
  };
}

const RAMP_OPTIONS = record<{ readonly fraction?: number }>({ fraction: number({ least: 0 }) });

/**
 * Weight of the KL term while it is ramped up: min(1, e/(0.1·epochs)) [recurrent-vae §10].
 *
 * @param epoch 0-based epoch e.
 * @param epochs Epochs of the whole run.
 * @param options `fraction`: share of the run the ramp takes; default 0.1, 0 means no ramp.
 */
export function klRamp(
  epoch: number,
  epochs: number,
  options: { readonly fraction?: number } = {},
): number {
  checkOptions(options, RAMP_OPTIONS, { doing: "Cannot ramp the KL weight" });
  const { fraction = 0.1 } = options;
  const length = fraction * epochs;
  return length > 0 ? Math.min(1, epoch / length) : 1;
}

function requireCondition(field: string, value: unknown, needed: string, holds: boolean): void {
  if (holds) return;
  throw new ConfigError(field, `Cannot make a schedule: ${field} is ${value}, needs ${needed}`);
}
