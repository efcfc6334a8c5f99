/**
 * WGSL of the latent recurrence: one workgroup per run, all frames in one call. Values of the frame before
 * are read back from the result itself, behind a barrier for storage, so no latent width is too large.
 */
import { makeShader } from "./shader.ts";

/** Invocations per workgroup. */
export const WORKGROUP = 64;

const FIELDS = { frames: "u32", runs: "u32", width: "u32", hasTowardsHeads: "u32" } as const;

/** heads_t = drive_t + h_{t−1}·fromStateᵀ, h_t = μ_t + exp(ℓ_t/2)⊙ε_t. */
export function rolloutShader() {
  return makeShader({
    label: "latent rollout",
    fields: FIELDS,
    workgroupSize: WORKGROUP,
    buffers: {
      drive: ["f32", "read"],
      fromState: ["f32", "read"],
      noise: ["f32", "read"],
      initialState: ["f32", "read"],
      h: ["f32", "write"],
      heads: ["f32", "write"],
    },
    body: () => `
  if (block >= u.runs) { return; }
  for (var t = 0u; t < u.frames; t++) {
    let row = t * u.runs + block;
    let before = (row - u.runs) * u.width; // of frame t − 1; not used in frame 0
    for (var j = lane; j < 2u * u.width; j += ${WORKGROUP}u) {
      var sum = drive[row * 2u * u.width + j];
      for (var d = 0u; d < u.width; d++) {
        var state = 0.0;
        if (t == 0u) { state = initialState[block * u.width + d]; } else { state = h[before + d]; }
        sum += state * fromState[j * u.width + d];
      }
      heads[row * 2u * u.width + j] = sum;
    }
    storageBarrier();
    for (var d = lane; d < u.width; d += ${WORKGROUP}u) {
      let mu = heads[row * 2u * u.width + d];
      let logVar = heads[(row * 2u + 1u) * u.width + d];
      h[row * u.width + d] = mu + exp(0.5 * logVar) * noise[row * u.width + d];
    }
    storageBarrier();
  }`,
  });
}

/** δ_t = [G_t, G_t⊙spread_t] + towardsHeads_t with G_t = towardsState_t + carried_{t+1} + δ_{t+1}·fromState. */
export function rolloutGradientShader() {
  return makeShader({
    label: "latent rollout gradient",
    fields: FIELDS,
    workgroupSize: WORKGROUP,
    buffers: {
      towardsState: ["f32", "read"],
      spread: ["f32", "read"],
      carried: ["f32", "read"],
      towardsHeads: ["f32", "read"],
      fromState: ["f32", "read"],
      delta: ["f32", "write"],
    },
    body: () => `
  if (block >= u.runs) { return; }
  for (var step = 1u; step <= u.frames; step++) {
    let row = (u.frames - step) * u.runs + block;
    let after = row + u.runs; // of frame t + 1; not used in the last frame
    for (var d = lane; d < u.width; d += ${WORKGROUP}u) {
      var g = towardsState[row * u.width + d];
      if (step > 1u) {
        var carry = 0.0;
        for (var j = 0u; j < 2u * u.width; j++) {
          carry += delta[after * 2u * u.width + j] * fromState[j * u.width + d];
        }
        g += carry + carried[after * u.width + d];
      }
      let mu = row * 2u * u.width + d;
      let logVar = mu + u.width;
      if (u.hasTowardsHeads == 1u) {
        delta[mu] = g + towardsHeads[mu];
        delta[logVar] = g * spread[row * u.width + d] + towardsHeads[logVar];
      } else {
        delta[mu] = g;
        delta[logVar] = g * spread[row * u.width + d];
      }
    }
    storageBarrier();
  }`,
  });
}
