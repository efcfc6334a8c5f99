/**
 * Linear algebra in float64 on the host: eigenvalues, principal components, the ridge solution of a linear transition.
 * Importing this module computes nothing and needs no permission.
 *
 * @module
 */
export { eigenvalues } from "./eigenvalues.ts";
export { fitPca, Pca } from "./pca.ts";
export { ridgePenalty, solveTransitionMatrix, transitionGradient } from "./ridge.ts";
export { symmetricEigen, symmetricEigenvalues } from "./symmetric.ts";
export type { Eigenvalue } from "./eigenvalues.ts";
export type { RowSource } from "./pca.ts";
export type { PenaltyRule, TransitionProblem } from "./ridge.ts";
export type { SymmetricEigen } from "./symmetric.ts";
export type { FloatArray } from "../base/arrays.ts";
