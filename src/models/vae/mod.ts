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
export type { VAEOptions } from "./options.ts";
