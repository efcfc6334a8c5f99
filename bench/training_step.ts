/** One training step at a time, ready to be timed: forward, backward, watchdog, update. */
import type { SpatialShape } from "../src/base/arrays.ts";
import type { ActiveEngine, BackendChoice } from "../src/backends/engine.ts";
import { selectBackend } from "../src/backends/registry.ts";
import { tf } from "../src/deps/tfjs.ts";
import { RecurrentVae } from "../src/models/recurrent_vae/model.ts";
import { createOptimiser } from "../src/training/optimisers.ts";
import { checkTensors } from "../src/training/watchdog.ts";
import { ringFrames } from "./ring_frames.ts";

/** What to measure. */
export interface StepProblem {
  readonly backend: BackendChoice;
  readonly threads?: number;
  readonly batch: number;
  readonly frames: number;
  readonly spatialShape: SpatialShape;
}

/** A model on an engine; {@link run} is one step. */
export interface TrainingStep {
  readonly engine: ActiveEngine;
  /** Frames per kernel call. */
  readonly framesPerChunk: number;
  /** One step, complete when it returns; gives its loss. */
  run(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * Prepares a step: the full-size network by default, plain SGD as the original uses.
 *
 * @param problem Engine and sizes.
 */
export async function prepareStep(problem: StepProblem): Promise<TrainingStep> {
  const engine = await selectBackend(problem.backend, { threads: problem.threads });
  const { batch, frames, spatialShape } = problem;
  const model = new RecurrentVae({ spatialShape, tolTime: frames }, { subjects: batch });
  const probe = ringFrames({ batch, frames: 1, spatialShape, ring: 1 });
  const framesPerChunk = model.framesPerChunk(probe);
  const data = ringFrames({ batch, frames, spatialShape, ring: framesPerChunk });
  const optimiser = createOptimiser("sgd", model.variables);
  const position = { epoch: 0, batch: 0, subjects: data.subjects };
  return {
    engine,
    framesPerChunk,
    async run() {
      const { losses, gradients } = await model.computeGradients(data);
      await checkTensors(gradients, position); // reads one number of every gradient back
      optimiser.step(gradients, 1e-6);
      tf.dispose([...gradients.values()]);
      const bias = model.variables.get("hidden2mu.bias")!;
      await bias.data(); // the update is queued behind everything else
      return losses.loss;
    },
    async stop() {
      optimiser.dispose();
      model.dispose();
      await engine.stop();
    },
  };
}
