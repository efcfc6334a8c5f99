/** Everything that one run of `deno task bench` measures: what its record holds, and the report made of it. */
import type { SpatialShape } from "../src/base/arrays.ts";
import type { ConvolutionTimes } from "./convolutions.ts";
import {
  type Bandwidth,
  contestReport,
  convolutionReport,
  floorReport,
  type Headline,
  stockReport,
} from "./report.ts";
import type { Contest } from "./step_contest.ts";
import type { StepWork } from "./step_work.ts";
import type { StockTimes } from "./stock_comparison.ts";

/** Sizes of a run. */
export interface Plan {
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** Subjects B, also volumes of a convolution. */
  readonly batch: number;
  /** Frames of a step, T. */
  readonly frames: number;
  /** Times that everything is measured. */
  readonly repeats: number;
  /** Numbers of threads. */
  readonly threads: readonly number[];
}

/** Convolutions on one number of threads. */
export interface ThreadedConvolutions {
  readonly threads: number;
  readonly layers: readonly ConvolutionTimes[];
}

/** Results; what was not asked for is missing or empty. */
export interface Results {
  readonly plan: Plan;
  readonly convolutions: readonly ThreadedConvolutions[];
  readonly stock: readonly StockTimes[];
  readonly contest?: Contest;
  readonly summary?: readonly Headline[];
  readonly bandwidths: readonly Bandwidth[];
  readonly work?: StepWork;
}

/**
 * All tables.
 *
 * @param results Fresh, or read from a record.
 */
export function reportOf(results: Results): string {
  const { plan, convolutions, stock, contest, work, bandwidths } = results;
  const parts = convolutions.map(({ threads, layers }) =>
    convolutionReport(layers, { threads, batch: plan.batch })
  );
  if (stock.length > 0) parts.push(stockReport(stock, convolutions));
  if (contest) parts.push(contestReport(contest));
  if (contest && work) parts.push(floorReport(contest, { bandwidths, work }));
  return parts.join("\n\n");
}
