/** The latent recurrence on the GPU, all frames in one call (recurrence_contract.ts). */
import type { tf } from "../../deps/tfjs.ts";
import type { DeviceBackend } from "./device_backend.ts";
import { rolloutGradientShader, rolloutShader } from "./recurrence_shader.ts";

type Tensors<Names extends string> = Readonly<Record<Names, tf.TensorInfo>>;

/**
 * h and heads (`runRollout`).
 *
 * @param backend Of the device.
 * @param inputs See the contract.
 */
export function latentRollout(
  backend: DeviceBackend,
  inputs: Tensors<"drive" | "fromState" | "noise" | "initialState">,
): [h: tf.TensorInfo, heads: tf.TensorInfo] {
  const { drive, fromState, noise, initialState } = inputs;
  const [frames, runs, width] = noise.shape;
  const h = backend.allocate(noise.shape);
  const heads = backend.allocate(drive.shape);
  backend.dispatch({
    shader: rolloutShader(),
    buffers: [drive, fromState, noise, initialState, h, heads].map((tensor) => ({ tensor })),
    uniforms: { frames, runs, width, hasTowardsHeads: 0 },
    workgroups: runs,
  });
  return [h, heads];
}

/**
 * δ (`runRolloutGradient`).
 *
 * @param backend Of the device.
 * @param inputs See the contract.
 */
export function latentRolloutGradient(
  backend: DeviceBackend,
  inputs:
    & Tensors<"towardsState" | "spread" | "carried" | "fromState">
    & { readonly towardsHeads?: tf.TensorInfo },
): tf.TensorInfo {
  const { towardsState, spread, carried, towardsHeads, fromState } = inputs;
  const [frames, runs, width] = spread.shape;
  const delta = backend.allocate([frames, runs, 2 * width]);
  // A binding cannot stay empty; the shader does not read it then.
  const further = towardsHeads ?? spread;
  backend.dispatch({
    shader: rolloutGradientShader(),
    buffers: [towardsState, spread, carried, further, fromState, delta]
      .map((tensor) => ({ tensor })),
    uniforms: { frames, runs, width, hasTowardsHeads: towardsHeads ? 1 : 0 },
    workgroups: runs,
  });
  return delta;
}
