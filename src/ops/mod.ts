/**
 * Operations with gradients, for models of your own: each runs on every engine and on the gradient tape, see
 * `tapeGradients`. Importing this module computes nothing and needs no permission.
 *
 * @module
 */
/** TensorFlow.js as this library uses it: the one to make tensors and variables with. */
export { tf } from "../deps/tfjs.ts";
export { elu, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from "./activations.ts";
export { attention } from "./attention.ts";
export { conv3d } from "./conv3d.ts";
export { convTranspose3d } from "./conv_transpose3d.ts";
export { conv1d, conv2d, convTranspose1d, convTranspose2d } from "./convolution.ts";
export { dropout } from "./dropout.ts";
export { embedding } from "./embedding.ts";
export { gru } from "./gru.ts";
export { layerNorm } from "./layer_norm.ts";
export { linear, LINEAR_ACTIVATIONS } from "./linear.ts";
export { lstm } from "./lstm.ts";
export { reflectPad, replicatePad } from "./padding.ts";
export { concatenate, gather, slice, split } from "./parts.ts";
export { averagePool, maxPool } from "./pooling.ts";
export { logSoftmax, softmax } from "./softmax.ts";
export { upsampleLinear, upsampleNearest } from "./upsampling.ts";
export type { AttentionInputs, AttentionOptions } from "./attention.ts";
export type { CellWeights } from "./cell_checks.ts";
export type { Conv3dOptions } from "./conv3d.ts";
export type { ConvTranspose3dOptions } from "./conv_transpose3d.ts";
export type { ConvolutionOptions, ConvolutionTransposeOptions } from "./convolution.ts";
export type { DropoutOptions } from "./dropout.ts";
export type { GruOptions, GruOutput } from "./gru.ts";
export type { LinearOptions } from "./linear.ts";
export type { LstmOptions, LstmOutput } from "./lstm.ts";
export type { Affine } from "./norm_activation.ts";
export type { PadOptions } from "./padding.ts";
export type { SliceOptions } from "./parts.ts";
export type { AveragePoolOptions, PoolingOptions } from "./pooling.ts";
export type { PerAxis } from "./tap_maps.ts";
export type { UpsampleLinearOptions } from "./upsampling.ts";
export type { Triple } from "../backends/kernel_contract.ts";
export type { LinearActivation } from "../backends/linear_contract.ts";
export type { RandomStream } from "../base/random.ts";
export type { AttentionDropout } from "./attention.ts";
export type { PlaneGeometry } from "./convolution.ts";
export type { PaddingMode } from "./padding.ts";
export type { ConvGeometry } from "./convolution_shapes.ts";
