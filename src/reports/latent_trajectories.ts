/** Figure: the latent state over time, averaged over subjects [recurrent-vae §8, figures]. */
import type { NdArray } from "../base/arrays.ts";
import { ShapeError } from "../base/errors.ts";
import { addLine, finishChart, PALETTE, startChart } from "./svg.ts";

/** How the time axis is labelled. */
export interface TrajectoryOptions {
  /** Seconds between frames; unknown: the axis counts frames. */
  readonly repetitionTime?: number;
  readonly title?: string;
}

/**
 * Draws one line per latent dimension.
 *
 * @param latents `[N, T, D]`.
 * @param options Time axis and title.
 * @returns An SVG element.
 * @throws {ShapeError} when the array has not three axes.
 */
export function latentTrajectories(latents: NdArray, options: TrajectoryOptions = {}): string {
  const [subjects, frames, width] = latents.shape;
  if (latents.shape.length !== 3) {
    throw new ShapeError(
      `Cannot draw latent trajectories: found ${latents.shape.length} axes, needs [N, T, D]`,
      latents.shape,
      "[N, T, D]",
    );
  }
  const mean = new Float64Array(frames * width);
  for (let n = 0; n < subjects; n++) {
    for (let i = 0; i < mean.length; i++) mean[i] += latents.data[n * mean.length + i] / subjects;
  }
  const step = options.repetitionTime ?? 1;
  const chart = startChart({
    title: options.title ?? `Latent state, mean of ${subjects} runs`,
    xLabel: options.repetitionTime ? "time (s)" : "frame",
    yLabel: "latent value",
    x: [0, (frames - 1) * step],
    y: mean.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [
      Infinity,
      -Infinity,
    ]),
  });
  for (let d = 0; d < width; d++) {
    const points = Array.from(
      { length: frames },
      (_, t) => [t * step, mean[t * width + d]] as const,
    );
    addLine(chart, points, {
      colour: PALETTE[d % PALETTE.length],
      ...(d < 16 ? { label: `h${d + 1}`, row: d } : {}),
    });
  }
  return finishChart(chart);
}
