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
 * Draws the loss terms against the epoch, on a logarithmic axis.
 *
 * @param history One record an epoch, in order.
 * @returns An SVG element; with an empty history an empty chart.
 */
export function lossCurve(history: readonly EpochRecord[]): string {
  const terms = Object.keys(TERM_LABELS).filter((term) =>
    history.some((record) => record[term] > 0)
  );
  const values = history.flatMap((record) => terms.map((term) => record[term]))
    .filter((value) => value > 0 && Number.isFinite(value));
  const chart = startChart({
    title: "Training loss",
    xLabel: "epoch",
    yLabel: "loss",
    x: [1, Math.max(2, ...history.map(({ epoch }) => epoch + 1))],
    y: values.length > 0 ? [Math.min(...values), Math.max(...values)] : [1, 10],
    logarithmic: true,
  });
  terms.forEach((term, row) => {
    const points = history.map((record) =>
      [record.epoch + 1, record[term] > 0 ? record[term] : NaN] as const
    );
    addLine(chart, points, {
      colour: PALETTE[row % PALETTE.length],
      label: TERM_LABELS[term],
      row,
    });
  });
  return finishChart(chart);
}
