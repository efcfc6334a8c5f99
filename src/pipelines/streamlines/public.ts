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
export type { NdArray } from "../../base/arrays.ts";
export type { StepPosition } from "../../base/batches.ts";
export type { FlipDistance, Streamlines } from "../../data/streamlines/geometry.ts";
export type { ImplausibleOptions } from "../../data/streamlines/implausible.ts";
export type { FibercupOptions, LabelledStreamlines } from "../../data/streamlines/phantom.ts";
export type { Bundles, QuickBundlesOptions } from "../../data/streamlines/quick_bundles.ts";
export type { TractogramReadOptions } from "../../data/streamlines/tractogram_files.ts";
export type { RocCurve, ThresholdRule } from "../../evaluation/distance_thresholds.ts";
export type { TsneOptions, TsneResult } from "../../evaluation/tsne.ts";
export type { Tractogram } from "../../formats/tractogram.ts";
export type { StreamlineKind } from "../../models/streamlines/config.ts";
export type {
  Conditions,
  StreamlineBatch,
  StreamlineModel,
} from "../../models/streamlines/model.ts";
export type { RegressionPosterior } from "../../models/streamlines/regression.ts";
export type { PrincipalAxes } from "../../models/streamlines/shortcut.ts";
export type { Posterior, VaeOptions } from "../../models/streamlines/variational.ts";
export type { NetworkUse } from "../../models/streamlines/network.ts";
export type { BundleDensities } from "./bundle_densities.ts";
export type { Labelled } from "./data.ts";
export type { FilterReference, FilterResult } from "./filtering.ts";
export type { FoundInData } from "./run_config.ts";
export type { Sampled, SampleRequest, SeededCodes, SeedSampling } from "./sampling.ts";
export type { LossTerms } from "../../training/tape_gradients.ts";
export type {
  PhasedTrainable,
  StepOutcome,
  TrainingPhase,
  UpdatePosition,
} from "../../training/trainable.ts";
export type { FloatArray, NumericArray } from "../../base/arrays.ts";
export type { Batch, RowBatch } from "../../base/batches.ts";
export type { RandomStream } from "../../base/random.ts";
export type { NamedColumns, TractogramSpace } from "../../formats/tractogram.ts";
export type { TrkOrigin } from "../../formats/trk.ts";
export type { CompleteConfig } from "../../models/streamlines/config.ts";
export type { ParameterEntry } from "../../parameters/entry.ts";
export type { ParameterStore } from "../../parameters/parameter_store.ts";
export type { BundleDensity } from "./bundle_densities.ts";
export type { Phase, TrainableHooks } from "../../training/trainable.ts";
export type { NamedArrays } from "../../training/weight_holder.ts";
export type { SubjectBatch } from "../../base/batches.ts";
export type { Columns } from "../../formats/tractogram.ts";
export type { StreamlineConfig } from "../../models/streamlines/config.ts";
export type { StartingValues } from "../../parameters/entry.ts";
export type { StateDict } from "../../parameters/state_dict.ts";
export type { FlattenOrder } from "../../models/streamlines/config.ts";
export { STREAMLINE_KINDS } from "../../models/streamlines/config.ts";
