/**
 * Running a trained model on data [recurrent-vae §6.2].
 */
import type { NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import type { tf } from "../../deps/tfjs.ts";
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import type { ForwardOptions, ResultKind } from "../../models/recurrent_vae/model_options.ts";
import type { ForwardResult } from "../../models/recurrent_vae/rollout_result.ts";

/**
 * The forward pass in evaluation mode. No gradients; leaves the model in evaluation mode, as the reference
 * does. States are still sampled: give `noise` for a fixed result.
 *
 * @param model Whose running statistics are used.
 * @param volumes `[B, T, Z, Y, X]` or a batch.
 * @param options Initial state, subjects (rows of the offset table), noise.
 * @throws {ShapeError} with fewer than `tolTime` frames; the message contains "timepoints".
 * @example
 * ```ts ignore
 * const { mu, losses } = await evaluate(model, batch);
 * ```
 */
export async function evaluate<V extends NdArray | tf.Tensor | FrameBatch>(
  model: RecurrentVae,
  volumes: V,
  options: ForwardOptions = {},
): Promise<ForwardResult<ResultKind<V>>> {
  return await model.eval().forward(volumes, options);
}
