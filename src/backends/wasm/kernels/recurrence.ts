/** The latent recurrence over all frames in one call, on `wasm/recurrence/recurrence.cpp`. */
import { RECURRENCE_KERNEL } from "../../recurrence_contract.ts";
import { ParameterLayout } from "../parameters.ts";
import type { Kernel, KernelTable } from "./kernel.ts";

/** Mirror of RolloutParams; backward, `drive` is towardsState, `noise` is spread and `heads` is δ. */
const LAYOUT = new ParameterLayout({
  drive: "int",
  weights: "int",
  noise: "int",
  initial: "int",
  carried: "int",
  further: "int",
  states: "int",
  heads: "int",
  frames: "int",
  runs: "int",
  width: "int",
});

const rollout: Kernel = ({ inputs, backend }) => {
  const { drive, fromState, noise, initialState } = inputs;
  const [frames, runs, width] = noise.shape;
  const h = backend.output(noise.shape);
  const heads = backend.output(drive.shape);
  backend.launch("f32_rollout", LAYOUT, {
    drive: backend.addressOf(drive),
    weights: backend.addressOf(fromState),
    noise: backend.addressOf(noise),
    initial: backend.addressOf(initialState),
    states: h.address,
    heads: heads.address,
    frames,
    runs,
    width,
  });
  return [h.info, heads.info];
};

const rolloutGradient: Kernel = ({ inputs, backend }) => {
  const { towardsState, spread, carried, towardsHeads, fromState } = inputs;
  const [frames, runs, width] = spread.shape;
  const delta = backend.output([frames, runs, 2 * width]);
  backend.launch("f32_rollout_gradient", LAYOUT, {
    drive: backend.addressOf(towardsState),
    weights: backend.addressOf(fromState),
    noise: backend.addressOf(spread),
    carried: backend.addressOf(carried),
    further: towardsHeads ? backend.addressOf(towardsHeads) : 0,
    heads: delta.address,
    frames,
    runs,
    width,
  });
  return delta.info;
};

/** Kernels of this file by contract name. */
export const RECURRENCE_KERNELS: KernelTable = {
  [RECURRENCE_KERNEL.rollout]: rollout,
  [RECURRENCE_KERNEL.rolloutGradient]: rolloutGradient,
};
