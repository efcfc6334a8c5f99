/** The table of kernels this engine adds to the stock WebGPU ones (kernel_contract.ts). */
import { tf } from "../../deps/tfjs.ts";
import { ACTIVATION_KERNEL } from "../activation_contract.ts";
import { KERNEL } from "../kernel_contract.ts";
import { RECURRENCE_KERNEL } from "../recurrence_contract.ts";
import {
  activation,
  activationGradient,
  dropout,
  softmax,
  softmaxGradient,
} from "./activations.ts";
import { conv3dFilterGradient } from "./conv_filter_gradient.ts";
import { conv3d } from "./conv_forward.ts";
import { conv3dInputGradient } from "./conv_input_gradient.ts";
import type { DeviceBackend } from "./device_backend.ts";
import { normActivation, normActivationGradient } from "./norm_activation.ts";
import { matMul } from "./matmul.ts";
import { latentRollout, latentRolloutGradient } from "./recurrence.ts";
import { TAP_KERNEL } from "../tap_contract.ts";
import { tanh, tanhSquaredError } from "./tanh_error.ts";
import { tapMaximum, tapMaximumGradient, tapSum, unsortedSegmentSum } from "./taps.ts";

type Kernel = (
  backend: DeviceBackend,
  inputs: never,
  attributes: never,
) => tf.TensorInfo | tf.TensorInfo[];

const KERNELS: Readonly<Record<string, Kernel>> = {
  [KERNEL.conv3d]: conv3d,
  [KERNEL.conv3dInputGradient]: conv3dInputGradient,
  [KERNEL.conv3dFilterGradient]: conv3dFilterGradient,
  [KERNEL.normActivation]: normActivation,
  [KERNEL.normActivationGradient]: normActivationGradient,
  [KERNEL.tanhSquaredError]: tanhSquaredError,
  [ACTIVATION_KERNEL.activation]: activation,
  [ACTIVATION_KERNEL.activationGradient]: activationGradient,
  [ACTIVATION_KERNEL.softmax]: softmax,
  [ACTIVATION_KERNEL.softmaxGradient]: softmaxGradient,
  [ACTIVATION_KERNEL.dropout]: dropout,
  [tf.Tanh]: tanh,
  [tf.UnsortedSegmentSum]: unsortedSegmentSum,
  [TAP_KERNEL.sum]: tapSum,
  [TAP_KERNEL.maximum]: tapMaximum,
  [TAP_KERNEL.maximumGradient]: tapMaximumGradient,
  [RECURRENCE_KERNEL.rollout]: latentRollout,
  [RECURRENCE_KERNEL.rolloutGradient]: latentRolloutGradient,
};

/**
 * Registers the stock WebGPU kernels and ours under a backend name, unless that was done before.
 *
 * @param tfName Name of the TensorFlow.js backend.
 */
export function registerGpuKernels(tfName: string): void {
  if (tf.getKernel(KERNEL.conv3d, tfName) != null) return;
  tf.copyRegisteredKernels("webgpu", tfName);
  for (const kernelName of [tf.BatchMatMul, tf.Tanh, tf.UnsortedSegmentSum]) {
    tf.unregisterKernel(kernelName, tfName);
  }
  tf.registerKernel({
    kernelName: tf.BatchMatMul,
    backendName: tfName,
    kernelFunc: (call) => matMul(call as never),
  });
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    tf.registerKernel({
      kernelName,
      backendName: tfName,
      kernelFunc: ({ inputs, backend, attrs }) =>
        kernel(backend as DeviceBackend, inputs as never, attrs as never),
    });
  }
}
