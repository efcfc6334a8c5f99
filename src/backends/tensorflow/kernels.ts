/** The table of kernels this engine adds to TensorFlow's (kernel_contract.ts), composed of those or, for taps, on the host. */
import { tf } from "../../deps/tfjs.ts";
import { ACTIVATION_KERNEL } from "../activation_contract.ts";
import { KERNEL } from "../kernel_contract.ts";
import {
  activation,
  activationGradient,
  dropout,
  softmax,
  softmaxGradient,
} from "./activations.ts";
import { TAP_KERNEL } from "../tap_contract.ts";
import { conv3d, conv3dFilterGradient, conv3dInputGradient } from "./convolutions.ts";
import { normActivation, normActivationGradient } from "./norm_activation.ts";
import { tanhSquaredError } from "./tanh_error.ts";
import { largestTaps, largestTapsGradient, sumOfTaps } from "./taps.ts";

type Composition = (inputs: never, attributes: never) => tf.Tensor | tf.Tensor[];

const KERNELS: Readonly<Record<string, Composition>> = {
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
  [TAP_KERNEL.sum]: sumOfTaps,
  [TAP_KERNEL.maximum]: largestTaps,
  [TAP_KERNEL.maximumGradient]: largestTapsGradient,
};

/**
 * Registers the compositions, unless that was done before.
 *
 * @param tfName Name of the TensorFlow.js backend.
 */
export function registerCompositions(tfName: string): void {
  for (const [kernelName, composition] of Object.entries(KERNELS)) {
    if (tf.getKernel(kernelName, tfName) != null) continue;
    tf.registerKernel({
      kernelName,
      backendName: tfName,
      // A kernel may call operations: they are not on the tape, and tidy frees what is in between.
      kernelFunc: ({ inputs, attrs }) =>
        tf.tidy(() => composition(inputs as never, attrs as never)) as tf.Tensor | tf.Tensor[],
    });
  }
}
