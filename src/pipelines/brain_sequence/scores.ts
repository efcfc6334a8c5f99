/** How well a sequence model predicts what it was not trained on, beside what any model has to beat. */
import { RandomStream } from "../../base/random.ts";
import type { ParcelRun } from "../../data/parcellated/parcel_run.ts";
import { fitAutoregression, predictAutoregression } from "../../linalg/autoregression.ts";
import type { SequenceModel } from "../../models/brain_sequence/model.ts";
import { consecutiveCrops } from "./crops.ts";
import { blocksOf, cropsOf, residualsOf, type SequenceData } from "./opened_data.ts";

/** One line of the table. */
export interface SequenceScore {
  readonly name: string;
  /** Mean |prediction − value| of z-scored parcels. */
  readonly error: number;
}

/** Scores of held-out runs, the model's first. */
export interface SequenceScores {
  /** What is predicted. */
  readonly task: string;
  /** Values compared. */
  readonly values: number;
  readonly rows: readonly SequenceScore[];
}

/** Windows of a batch when nothing is learned. */
const WINDOWS = 16;

/** Seed of the masks of scores: the same for every model. */
const MASK_SEED = 20221127;

/** A prediction of a value of a run: run, volume, parcel. */
type Guess = (run: number, volume: number, parcel: number) => number;

/**
 * Mean absolute error of the model on runs, beside the baselines of its task.
 *
 * @param model The model.
 * @param data Runs; the baselines are fitted to those trained on.
 * @param runs Runs to score.
 * @param length Longest sequence.
 */
export async function scoreRuns(
  model: SequenceModel,
  data: SequenceData,
  { runs, length }: { readonly runs: readonly ParcelRun[]; readonly length: number },
): Promise<SequenceScores> {
  const { style, objective } = model.config;
  const following = style === "csm" && objective === "every";
  const predicted = await predictedValues(model, data, { runs, length });
  const baselines = following || style === "csm"
    ? pastBaselines(data, runs, model.base?.order ?? 0)
    : restBaselines(runs, predicted);
  const tally = (guess: Guess) => {
    let [sum, count] = [0, 0];
    for (const { run, volume, parcel } of predicted.places()) {
      const value = runs[run].values[volume * runs[run].parcels + parcel];
      sum += Math.abs(guess(run, volume, parcel) - value);
      count++;
    }
    return { error: sum / count, count };
  };
  const model_ = tally(predicted.guess);
  return {
    task: TASKS[style as keyof typeof TASKS],
    values: model_.count,
    rows: [
      { name: "this model", error: model_.error },
      ...baselines.map(({ name, guess }) => ({ name, error: tally(guess).error })),
    ],
  };
}

const TASKS = {
  csm: "the next volume",
  bert: "hidden volumes",
  netbert: "hidden parcels",
  autoencoder: "the sequence itself",
} as const;

/**
 * The share of the network's output with which the autoregressive model and the network together predict runs best.
 *
 * @param model Trained on top of an autoregressive model.
 * @param data The runs' data.
 * @param options Runs that were not trained on; longest sequence.
 * @returns A multiple of 0.1 from 0 to 1.
 */
export async function bestShare(
  model: SequenceModel,
  data: SequenceData,
  options: { readonly runs: readonly ParcelRun[]; readonly length: number },
): Promise<number> {
  const { runs } = options;
  model.setShare(1);
  const whole = await predictedValues(model, data, options);
  const linear = blocksOf(runs).map((block) => predictAutoregression(model.base!, block));
  const errors = new Float64Array(11);
  for (const { run, volume, parcel } of whole.places()) {
    const at = volume * runs[run].parcels + parcel;
    const added = whole.guess(run, volume, parcel) - linear[run][at];
    const rest = runs[run].values[at] - linear[run][at];
    for (let tenth = 0; tenth <= 10; tenth++) errors[tenth] += Math.abs(rest - tenth / 10 * added);
  }
  return errors.indexOf(Math.min(...errors)) / 10;
}

/** The model's predictions by run, volume and parcel. */
interface Predicted {
  readonly guess: Guess;
  /** Whether the model had to predict this value. */
  wanted(run: number, volume: number, parcel: number): boolean;
  places(): Iterable<{ run: number; volume: number; parcel: number }>;
}

/** Volumes at the beginning that are not compared: every method has its past there. */
const FIRST = 10;

async function predictedValues(
  model: SequenceModel,
  data: SequenceData,
  { runs, length }: { readonly runs: readonly ParcelRun[]; readonly length: number },
): Promise<Predicted> {
  const { objective, style, parcels: N } = model.config;
  const following = style === "csm" && objective === "every";
  const values = runs.map((run) => new Float32Array(run.values.length).fill(NaN));
  const base = model.base;
  const fitted = base ?? { order: 0, coefficients: new Float64Array(0), scale: 1, share: 1 };
  const residuals = following ? residualsOf(runs, fitted, fitted.scale) : undefined;
  const linear = blocksOf(runs).map((block) => predictAutoregression(fitted, block));
  const source = cropsOf(data, runs, { length, ...(residuals && { residuals }) });
  const factor = fitted.scale * fitted.share;
  const masks = RandomStream.fromSeed(MASK_SEED);
  let number = 0;
  for (const { batch, windows } of consecutiveCrops(source, WINDOWS)) {
    const found = await model.predict(batch, masks.split(number++));
    found.rows.forEach((row, i) => {
      const { run, onset } = windows[row];
      const volume = onset + found.volumes[i] + (following ? 1 : 0);
      for (let n = 0; n < N; n++) {
        if (found.hidden && !found.hidden[i * N + n]) continue;
        const at = volume * N + n;
        const value = found.values[i * N + n];
        values[run][at] = following ? linear[run][at] + factor * value : value;
      }
    });
  }
  const wanted = (run: number, volume: number, parcel: number) =>
    !Number.isNaN(values[run][volume * N + parcel]);
  return {
    guess: (run, volume, parcel) => values[run][volume * N + parcel],
    wanted,
    *places() {
      for (const [run, { volumes }] of runs.entries()) {
        const first = following ? Math.min(FIRST, volumes - 1) : 0;
        for (let volume = first; volume < volumes; volume++) {
          for (let parcel = 0; parcel < N; parcel++) {
            if (wanted(run, volume, parcel)) yield { run, volume, parcel };
          }
        }
      }
    },
  };
}

interface Baseline {
  readonly name: string;
  readonly guess: Guess;
}

/** Predictions from the past. */
function pastBaselines(
  { train, validation }: SequenceData,
  runs: readonly ParcelRun[],
  order: number,
): Baseline[] {
  const [{ parcels: N }] = runs;
  const fittedTo = blocksOf([...train, ...validation]);
  const orders = [...new Set([1, 2, order])].filter((p) => p > 0);
  const at = (run: number, volume: number, parcel: number) =>
    volume < 0 ? 0 : runs[run].values[volume * N + parcel];
  return [
    { name: "0, every parcel's mean", guess: () => 0 },
    { name: "the volume before", guess: (run, volume, n) => at(run, volume - 1, n) },
    ...orders.map((p): Baseline => {
      const fitted = fitAutoregression(fittedTo, { series: N, order: p });
      const predicted = blocksOf(runs).map((block) => predictAutoregression(fitted, block));
      return {
        name: `AR(${p}) of every parcel`,
        guess: (run, volume, n) => predicted[run][volume * N + n],
      };
    }),
  ];
}

/** Predictions from what is left to see. */
function restBaselines(runs: readonly ParcelRun[], predicted: Predicted): Baseline[] {
  const interpolated: Guess = (run, volume, n) => {
    const { volumes, parcels, values } = runs[run];
    const seen = (t: number) => t >= 0 && t < volumes && !predicted.wanted(run, t, n);
    let [before, after] = [volume, volume];
    while (before >= 0 && !seen(before)) before--;
    while (after < volumes && !seen(after)) after++;
    if (before < 0 && after >= volumes) return 0;
    if (before < 0) return values[after * parcels + n];
    if (after >= volumes) return values[before * parcels + n];
    const share = (volume - before) / (after - before);
    return (1 - share) * values[before * parcels + n] + share * values[after * parcels + n];
  };
  const all: Baseline[] = [{ name: "0, every parcel's mean", guess: () => 0 }];
  const hidesAll = runs.every((_, run) =>
    predicted.wanted(run, 0, 0) && predicted.wanted(run, 1, 0)
  );
  return hidesAll ? all : [...all, { name: "line between visible volumes", guess: interpolated }];
}
