/**
 * Streamlines: tractograms in files, their geometry, and models that compress, generate and filter them. Plain typed
 * arrays in and out. Importing this module computes nothing and needs no permission.
 *
 * @module
 */
export {
  flipStreamline,
  lengthsOf,
  meanDirectFlipDistance,
  nearestDistances,
  resampleStreamlines,
  streamlineLength,
  streamlineLengths,
  tractogramOf,
} from "../../data/streamlines/geometry.ts";
export { fibercup, sevenArcs } from "../../data/streamlines/phantom.ts";
export { implausibleFibercup } from "../../data/streamlines/implausible.ts";
export { orientStreamlines, quickBundles } from "../../data/streamlines/quick_bundles.ts";
export { pickFromTractogram } from "../../data/streamlines/selection.ts";
export {
  readTractogram,
  streamTractogram,
  writeTractogram,
} from "../../data/streamlines/tractogram_files.ts";
export { chooseThreshold, rocCurve } from "../../evaluation/distance_thresholds.ts";
export { tsne } from "../../evaluation/tsne.ts";
export { AdversarialAutoencoder } from "../../models/streamlines/adversarial.ts";
export { StreamlineAutoencoder } from "../../models/streamlines/autoencoder.ts";
export { ConditionalStreamlineVae } from "../../models/streamlines/conditional.ts";
export { RegressionVae } from "../../models/streamlines/regression.ts";
export { StreamlineVae } from "../../models/streamlines/variational.ts";
export { fitBundleDensities } from "./bundle_densities.ts";
export { filterStreamlines } from "./filtering.ts";
export { sampleFromSeeds, sampleStreamlines } from "./sampling.ts";
