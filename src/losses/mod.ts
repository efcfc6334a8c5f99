/**
 * Losses with gradients of their own, for models of your own: elementwise errors, cross-entropies and the divergence of
 * normal distributions. Importing this module computes nothing and needs no permission.
 *
 * @module
 */
export { crossEntropy } from "./cross_entropy.ts";
export { normalDivergence } from "./normal_divergence.ts";
export { absoluteError, binaryCrossEntropy, huberError, squaredError } from "./pointwise.ts";
export type { CrossEntropyOptions } from "./cross_entropy.ts";
export type { DiagonalNormal, NormalDivergenceOptions } from "./normal_divergence.ts";
export type { Weighting } from "./weighting.ts";
