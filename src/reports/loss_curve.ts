/** Figure: how the loss and its parts fell over the epochs [recurrent-vae §8, figures]. */
import { addLine, finishChart, PALETTE, startChart } from "./svg.ts";

/** One epoch of a run's history file. */
export interface EpochRecord {
  /** 0-based. */
  readonly epoch: number;
  readonly loss: number;
  /** Further terms, e.g. loss1, loss2, loss_z; those that are not above 0 are left out of the figure. */
  readonly [term: string]: number;
}

/** Names of the loss terms as readers know them. */
const TERM_LABELS: Record<string, string> = {
  loss: "total",
  loss1: "reconstruction",
  loss2: "temporal",
  lossZ: "offsets L1",
  loss_z: "offsets L1",
};

/**
 * Draws the loss terms against the epoch, on a logarithmic axis where the loss is above zero throughout.
 *
 * @param history One record an epoch, in order.
 * @returns An SVG element; with an empty history an empty chart.
 */
export function lossCurve(history: readonly EpochRecord[]): string {
  // A likelihood with a learned noise is often below zero, where there is no logarithm.
  const logarithmic = history.every(({ loss }) => !(loss <= 0));
  const shows = (value: number) => Number.isFinite(value) && (value > 0 || !logarithmic);
  const terms = Object.keys(TERM_LABELS).filter((term) =>
    history.some((record) => record[term] !== 0 && shows(record[term]))
  );
  const values = history.flatMap((record) => terms.map((term) => record[term])).filter(shows);
  const chart = startChart({
    title: "Training loss",
    xLabel: "epoch",
    yLabel: "loss",
    x: [1, Math.max(2, ...history.map(({ epoch }) => epoch + 1))],
    y: values.length > 0 ? [Math.min(...values), Math.max(...values)] : [1, 10],
    logarithmic,
  });
  terms.forEach((term, row) => {
    const points = history.map((record) =>
      [record.epoch + 1, shows(record[term]) ? record[term] : NaN] as const
    );
    addLine(chart, points, {
      colour: PALETTE[row % PALETTE.length],
      label: TERM_LABELS[term],
      row,
    });
  });
  return finishChart(chart);
}
