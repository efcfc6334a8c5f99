/**
 * Variational autoencoders as estimators: `fit`, `transform`, `sample`, for images, signals and tables, with ready networks or your
 * own. Importing this module computes nothing and needs no permission.
 *
 * @module
 */
export { BetaVAELoss } from "../../losses/beta_vae_loss.ts";
export { Bernoulli, Laplace, Normal } from "../../losses/distributions.ts";
export { convolution, transposedConvolution } from "../../networks/convolution_layers.ts";
export {
  activation,
  dense,
  dropout,
  flatten,
  groupNorm,
  layerNorm,
  pool,
  unflatten,
  upsample,
} from "../../networks/layers.ts";
export { parameterCount } from "../../networks/network.ts";
export {
  convDecoder,
  convEncoder,
  denseDecoder,
  denseEncoder,
  networkFrom,
  residualDecoder,
  residualEncoder,
} from "../../networks/ready_networks.ts";
export { residual } from "../../networks/residual.ts";
export { sequential } from "../../networks/sequential.ts";
export { BaseEstimator, PredictorEstimator, TransformerEstimator } from "./base_estimator.ts";
export { EarlyStopping, ModelCheckpoint } from "./callbacks.ts";
export { VAE } from "./vae.ts";
export type { StepPlace, TransformedSamples } from "./base_estimator.ts";
export type { DecoderNetwork } from "./assembly.ts";
export type { EpochBatches, ReadBatch, Samples, Targets, VaeBatch, VaeLoader } from "./batches.ts";
export type { EpochEnd, EstimatorCallback, LoggedMetrics } from "./callbacks.ts";
export type { ResolvedVaeOptions, TrainerOptions, VAEOptions } from "./options.ts";
export type { VaeScore } from "./scoring.ts";
export type { EncodedSamples, LoadVaeOptions, StepOptions } from "./vae.ts";
export type { BetaVAELossOptions, LatentDraws, VaeLossTerms } from "../../losses/beta_vae_loss.ts";
export type { DistributionName, Reconstruction } from "../../losses/distributions.ts";
export type { DiagonalNormal } from "../../losses/normal_divergence.ts";
export type {
  ConvolutionLayerOptions,
  PerImageAxis,
  TransposedLayerOptions,
} from "../../networks/convolution_layers.ts";
export type { ActivationName, Layer, PlacedLayer } from "../../networks/layers.ts";
export type {
  LayerFacts,
  Network,
  NetworkDescription,
  NetworkUse,
} from "../../networks/network.ts";
export type { DecoderOptions, EncoderOptions } from "../../networks/ready_networks.ts";
export type { SampleShape } from "../../networks/sample_shape.ts";
export type { SequentialNetwork, SequentialOptions } from "../../networks/sequential.ts";
export type { ParameterEntry, StartingValues } from "../../parameters/entry.ts";
export type { StateDict } from "../../parameters/state_dict.ts";
export type { EarlyStoppingOptions } from "../../training/early_stopping.ts";
export type { Optimiser, OptimiserKind, OptimiserState } from "../../training/optimiser.ts";
export type { LossTerms } from "../../training/tape_gradients.ts";
export type { NamedArrays, WeightHolder, WeightSource } from "../../training/weight_holder.ts";
export type { FloatArray, NdArray, NumericArray, SpatialShape } from "../../base/arrays.ts";
export type { RecvaeError } from "../../base/errors.ts";
export type { FrameBatch } from "../../base/frames.ts";
export type { RandomStream } from "../../base/random.ts";
