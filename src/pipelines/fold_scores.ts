/** What the scores of all folds come to: mean and spread by method, and which method wins by how much and how often. */
import { CheckpointError } from "../base/errors.ts";
import { type Spread, spreadOf } from "../evaluation/intervals.ts";
import { toJson } from "../files/json.ts";
import type { FinishedFold } from "./cross_validation_folder.ts";
import type { FoldScore } from "./pipeline.ts";

/** A method's scores. */
export interface MethodScores extends Spread, Omit<FoldScore, "value"> {
  /** In the order of the folds; NaN where a fold has none. */
  readonly values: readonly number[];
}

/** The model beside the best other method that has not seen the held-out data. */
export interface Verdict {
  readonly measure: string;
  readonly model: string;
  readonly rival: string;
  /** How much better the model is, in units of the measure: positive when it wins. */
  readonly advantage: Spread;
  /** Folds in which the model is better. */
  readonly won: number;
  readonly sentence: string;
}

/**
 * Gathers the methods of all folds.
 *
 * @param folds At least one.
 * @returns In the order in which they first appear.
 */
export function methodScores(folds: readonly FinishedFold[]): MethodScores[] {
  const keyOf = ({ measure, method }: FoldScore) => `${measure}\n${method}`;
  const kinds = new Map(
    folds.flatMap(({ scores }) => scores.map((score) => [keyOf(score), score] as const)).reverse(),
  );
  return [...kinds].reverse().map(([key, { value: _value, ...kind }]) => {
    const values = folds.map(({ scores }) =>
      scores.find((score) => keyOf(score) === key)?.value ?? NaN
    );
    return { ...kind, values, ...spreadOf(values.filter(Number.isFinite)) };
  });
}

/**
 * Compares the model with the best of the others, for each measure.
 *
 * @param methods From {@link methodScores}.
 */
export function verdicts(methods: readonly MethodScores[]): Verdict[] {
  const byMeasure = Map.groupBy(methods, ({ measure }) => measure);
  return [...byMeasure].flatMap(([measure, rows]) => {
    const model = rows.find(({ own, seen }) => own && !seen);
    const sign = model?.better === "lower" ? -1 : 1;
    const [rival] = rows.filter(({ own, seen, mean }) => !own && !seen && Number.isFinite(mean))
      .sort((a, b) => sign * (b.mean - a.mean));
    if (!model || !rival) return [];
    const differences = model.values.map((value, fold) => sign * (value - rival.values[fold]))
      .filter(Number.isFinite);
    const advantage = spreadOf(differences);
    const won = differences.filter((difference) => difference > 0).length;
    const facts = { measure, model: model.method, rival: rival.method, advantage, won };
    return [{ ...facts, sentence: sentenceOf(facts, model.better) }];
  });
}

function sentenceOf(
  { measure, model, rival, advantage, won }: Omit<Verdict, "sentence">,
  better: FoldScore["better"],
): string {
  const { mean, least, most, count } = advantage;
  if (count === 0) return `${measure}: no fold has a score of both ${model} and ${rival}.`;
  const wins = mean > 0;
  const amount = show(Math.abs(mean));
  const range = count > 1 ? ` (by fold ${signed(least)} to ${signed(most)})` : "";
  const ahead = `${won} of ${count} ${count === 1 ? "fold" : "folds"}`;
  const words = mean === 0
    ? `${model} and ${rival} do equally well`
    : wins
    ? `${model} wins by ${amount} over ${rival}`
    : `${model} loses by ${amount} to ${rival}`;
  const direction = better === "lower" ? ", lower is better" : "";
  return `${measure}${direction}: ${words}${range}; it is ahead in ${ahead}.`;
}

/**
 * The table as lines for people.
 *
 * @param methods From {@link methodScores}.
 */
export function methodLines(methods: readonly MethodScores[]): string[] {
  const width = Math.max(...methods.map(({ method, seen }) => method.length + (seen ? 2 : 0)));
  const cell = (value: number) => show(value).padStart(9);
  const byMeasure = Map.groupBy(methods, ({ measure }) => measure);
  const lines = [...byMeasure].flatMap(([measure, rows]) => [
    `${measure}:`,
    `  ${"".padEnd(width)}     mean        sd      from        to`,
    ...rows.map(({ method, seen, mean, deviation, least, most }) =>
      `  ${(method + (seen ? " *" : "")).padEnd(width)}${
        [mean, deviation, least, most].map(cell).join(" ")
      }`
    ),
    "",
  ]);
  const seen = methods.some((row) => row.seen);
  return [...lines.slice(0, -1), ...seen ? ["  * has seen what it is scored on."] : []];
}

/**
 * The table as tab-separated text: a line a method and measure, the folds as further columns.
 *
 * @param methods From {@link methodScores}.
 * @param folds In the same order.
 */
export function methodTable(
  methods: readonly MethodScores[],
  folds: readonly FinishedFold[],
): string {
  const head = ["measure", "method", "better", "seen", "mean", "sd", "min", "max"];
  const names = folds.map(({ repeat, fold }) => `repeat-${repeat}_fold-${fold}`);
  const number = (value: number) => Number.isFinite(value) ? String(value) : "n/a";
  const lines = methods.map((
    { measure, method, better, seen, mean, deviation, least, most, values },
  ) =>
    [
      measure,
      method,
      better,
      seen ? "yes" : "no",
      ...[mean, deviation, least, most, ...values].map(number),
    ].join("\t")
  );
  return [[...head, ...names].join("\t"), ...lines].join("\n") + "\n";
}

/**
 * Refuses folds that do not belong together.
 *
 * @param folds Done.
 * @throws {CheckpointError} when one was trained with other settings or data than the first.
 */
export function requireCommon(folds: readonly FinishedFold[]): void {
  const [first, ...others] = folds;
  for (const { common, folder } of others) {
    const path = difference(first.common, common);
    if (path === null) continue;
    throw new CheckpointError(
      folder,
      `Cannot compare folds: "${folder}" was trained with other settings or data than "${first.folder}" (${path}); ` +
        "remove the folder of the one that is wrong, and the same command trains it again",
    );
  }
}

/** Where two plain values differ; null when they do not. */
function difference(a: unknown, b: unknown, path = ""): string | null {
  if (toJson(a) === toJson(b)) return null;
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return path || "its settings";
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const [one, other] = [a, b].map((value) => (value as Record<string, unknown>)[key]);
    if (toJson(one ?? null) !== toJson(other ?? null)) {
      return difference(one, other, path === "" ? key : `${path}.${key}`);
    }
  }
  return path || "its settings";
}

function signed(value: number): string {
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${show(Math.abs(value))}`;
}

/** Three digits. */
export function show(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "n/a";
}
