/**
 * recvae: latent dynamics of fMRI with a recurrent 3-D convolutional variational autoencoder.
 *
 * The index of the library: public names only, by what they are for. The command line is `./cli`.
 *
 * ```ts ignore
 * import { buildDataLoader, cohortFromDirectories, fit, RecurrentVae, selectBackend } from "./mod.ts";
 *
 * await selectBackend();
 * const loader = await buildDataLoader(await cohortFromDirectories({ CN: "scans/cn", AD: "scans/ad" }));
 * const model = new RecurrentVae(
 *   { spatialShape: loader.spatialShape, tolTime: loader.frames },
 *   { subjects: loader.subjects },
 * );
 * const { trainLossHistory } = await fit(model, loader, { optimiser: "adamw", learningRate: 1e-3, epochs: 30 });
 * ```
 *
 * @module
 */

// Engines
export { probeBackends, selectBackend } from "./src/backends/registry.ts";
export type {
  ActiveEngine,
  BackendChoice,
  BackendName,
  ChunkRequest,
  EngineOptions,
  ProbeResult,
} from "./src/backends/engine.ts";
export type { FrameCache, FrameRange } from "./src/backends/frame_cache.ts";

// The model
export { RecurrentVae } from "./src/models/recurrent_vae/model.ts";
export type {
  ModelSetup,
  StepOptions,
  TransitionOptions,
} from "./src/models/recurrent_vae/model.ts";
export type {
  ForwardOptions,
  GradientOptions,
  ResultKind,
  RolloutOptions,
} from "./src/models/recurrent_vae/model_options.ts";
export { resolveConfig } from "./src/models/recurrent_vae/config.ts";
export type { RecurrentVaeConfig, RecurrentVaeOptions } from "./src/models/recurrent_vae/config.ts";
export type { Architecture, LevelSize } from "./src/models/recurrent_vae/architecture.ts";
export type { ParameterEntry as StateEntry, StartingValues } from "./src/parameters/entry.ts";
export type { ModelParts } from "./src/models/recurrent_vae/model_parts.ts";
export type { ParameterStore as ModelState } from "./src/parameters/parameter_store.ts";
export type { StepStatistics } from "./src/parameters/running_statistics.ts";
export type { Like, Values } from "./src/models/recurrent_vae/arrays_or_tensors.ts";
export { ForwardResult } from "./src/models/recurrent_vae/rollout_result.ts";
export type { RolloutSummary } from "./src/models/recurrent_vae/rollout.ts";
export type {
  ReconstructedStates,
  ReconstructingModel,
  ReconstructionOptions,
} from "./src/models/recurrent_vae/reconstructing_model.ts";
export type { Gradients } from "./src/models/recurrent_vae/norm.ts";
export type { StepResult } from "./src/models/recurrent_vae/time_parallel.ts";
export { RecurrentTraining } from "./src/models/recurrent_vae/training_session.ts";
export type { SessionOptions } from "./src/models/recurrent_vae/training_session.ts";
export type { StateDict } from "./src/parameters/state_dict.ts";
export { solveTransitionMatrix } from "./src/linalg/ridge.ts";
export type { PenaltyRule, TransitionProblem } from "./src/linalg/ridge.ts";
export { eigenvalues } from "./src/linalg/eigenvalues.ts";
export type { Eigenvalue } from "./src/linalg/eigenvalues.ts";

// Losses
export type { LossScale, LossTerms } from "./src/models/recurrent_vae/losses/terms.ts";
export { klTemporalLoss, squaredTemporalLoss } from "./src/models/recurrent_vae/losses/temporal.ts";
export type { Trajectory } from "./src/models/recurrent_vae/losses/temporal.ts";
export {
  reconstructionLoss,
  squaredErrorSum,
} from "./src/models/recurrent_vae/losses/reconstruction.ts";
export { offsetPenalty, transitionPenalty } from "./src/models/recurrent_vae/losses/penalties.ts";

// Data
export { listSubjectFiles } from "./src/data/listing.ts";
export type { ListingOptions } from "./src/data/listing.ts";
export {
  denormalizePerSubject,
  fromTorchOrder,
  loadSubjectVolumes,
  normalizePerSubject,
  toTorchOrder,
} from "./src/data/volumes.ts";
export type { LoadOptions, NormalizedVolumes, Volumes } from "./src/data/volumes.ts";
export {
  cohortFromDirectories,
  cohortFromFiles,
  cohortFromVolumes,
  selectSubjects,
} from "./src/data/cohort.ts";
export type {
  Cohort,
  CohortOptions,
  CohortSubject,
  FrameWindow,
  LabelledFile,
  VolumeCohortOptions,
} from "./src/data/cohort.ts";
export type { ScanAgreementOptions } from "./src/data/scan_agreement.ts";
export type { VoxelGrid } from "./src/data/voxel_grid.ts";
export { cleanSignals } from "./src/data/preprocessing/signal_cleaning.ts";
export type { CleaningOptions } from "./src/data/preprocessing/signal_cleaning.ts";
export type { EndPadding } from "./src/linalg/butterworth.ts";
export { buildDataLoader } from "./src/data/loader.ts";
export type { DataLoader, LoadedBatch, LoaderOptions, OrderOptions } from "./src/data/loader.ts";
export { syntheticCohort, torchSyntheticCohort } from "./src/data/synthetic.ts";
export type { SyntheticCohort, SyntheticOptions } from "./src/data/synthetic.ts";
export { groupedFolds, splitSubjects, stratifiedFolds, trainTestSplit } from "./src/data/splits.ts";
export type { GroupedSplitOptions, Split, TrainTestOptions } from "./src/data/splits.ts";
export { openBoldRun, readNiftiFacts } from "./src/data/bold_run.ts";
export type { BoldRun } from "./src/data/bold_run.ts";
export type { NiftiHeader, NiftiOrientation } from "./src/formats/nifti_header.ts";
export type { NiftiDatatype } from "./src/formats/nifti_datatypes.ts";
export { groupName, parseBidsName } from "./src/data/bids.ts";
export type { BidsName, GroupBy } from "./src/data/bids.ts";
export { openMask } from "./src/data/mask.ts";
export type { MaskOptions } from "./src/data/mask.ts";
export type { FrameSource } from "./src/data/frame_source.ts";
export type { FrameStatistics } from "./src/data/frame_statistics.ts";
export {
  applyScaling,
  checkNormalization,
  describeNormalization,
  invertScaling,
  normalizationToJson,
  parseNormalization,
} from "./src/data/normalization.ts";
export type {
  FramePosition,
  Normalization,
  NormalizationKind,
  SubjectScaling,
} from "./src/data/normalization.ts";
export { voxelIndex } from "./src/data/data_mask.ts";
export type { DataMask, MaskOrigin } from "./src/data/data_mask.ts";
export type { RunScaling } from "./src/data/run_trend.ts";
export type { Location, OpenOptions } from "./src/data/openers/open_bytes.ts";

// Training
export { fit } from "./src/pipelines/recurrent_vae/fit.ts";
export type { FitOptions, FitResult } from "./src/pipelines/recurrent_vae/fit.ts";
export { runTraining } from "./src/training/loop.ts";
export type {
  BatchReport,
  EndReason,
  EpochCallback,
  EpochMetrics,
  LoopOptions,
  LoopResult,
  RunControls,
  StepInterval,
  TrainingState,
} from "./src/training/loop.ts";
export type {
  Phase,
  PhasedTrainable,
  StepOutcome,
  Trainable,
  TrainableHooks,
  TrainingPhase,
  UpdatePosition,
} from "./src/training/trainable.ts";
export { createOptimiser } from "./src/training/optimisers.ts";
export type {
  AdamOptions,
  Optimiser,
  OptimiserKind,
  OptimiserOptions,
  OptimiserState,
  ParameterGroup,
  SgdOptions,
  VariableMatch,
} from "./src/training/optimisers.ts";
export { createSchedule, klRamp } from "./src/training/schedules.ts";
export type {
  LearningRateSchedule,
  ScheduleKind,
  ScheduleOptions,
  TrainingPosition,
} from "./src/training/schedules.ts";
export type { EarlyStoppingOptions, EarlyStoppingState } from "./src/training/early_stopping.ts";
export { loadRun, readRun, saveRun, trainingStateOf } from "./src/training/run_folder.ts";
export type { LoadedRun, LoadRunOptions, SaveRunOptions } from "./src/training/run_folder.ts";
export { loadCheckpoint, saveCheckpoint } from "./src/training/checkpoint.ts";
export type { LoadedCheckpoint } from "./src/training/checkpoint.ts";
export { CheckpointStore } from "./src/training/checkpoint_store.ts";
export type { LoadedGeneration } from "./src/training/checkpoint_store.ts";
export type {
  JsonRecord,
  LoopState,
  RandomState,
  RunContents,
} from "./src/training/run_contents.ts";
export type { NamedArrays, WeightHolder, WeightSource } from "./src/training/weight_holder.ts";

// Evaluation
export { evaluate } from "./src/pipelines/recurrent_vae/evaluate.ts";
export { evaluateHeldOut } from "./src/pipelines/recurrent_vae/held_out.ts";
export type { HeldOutOptions, HeldOutResult } from "./src/pipelines/recurrent_vae/held_out.ts";
export {
  compareWithBaselines,
  meanImage,
  scoreModel,
} from "./src/pipelines/recurrent_vae/baselines.ts";
export type {
  BaselineComparison,
  ComparisonOptions,
  ModelScoreOptions,
} from "./src/pipelines/recurrent_vae/baselines.ts";
export { scoreReconstruction } from "./src/evaluation/reconstruction_score.ts";
export type { ReconstructionScore, ScoringOptions } from "./src/evaluation/reconstruction_score.ts";
export { fitPca } from "./src/linalg/pca.ts";
export type { Pca, RowSource } from "./src/linalg/pca.ts";

// Files
export { readSafetensors, writeSafetensors } from "./src/formats/safetensors.ts";
export type {
  SafetensorsFile,
  SafetensorsTensor,
  WriteSafetensorsOptions,
} from "./src/formats/safetensors.ts";
export { ELEMENT_BYTES } from "./src/formats/safetensors_header.ts";
export type { SafetensorsDtype } from "./src/formats/safetensors_header.ts";
export { readTorchState } from "./src/formats/torch_state.ts";
export type { TorchStateOptions } from "./src/formats/torch_state.ts";
export { writeNifti } from "./src/formats/nifti_write.ts";
export type { NiftiImageFacts, WriteNiftiOptions } from "./src/formats/nifti_write.ts";
export type { WrittenDatatype } from "./src/formats/nifti_voxels.ts";

// Version, random numbers, arrays, errors
export { VERSION } from "./src/base/version.ts";
export { RandomStream } from "./src/base/random.ts";
export { TorchGenerator } from "./src/base/torch_random.ts";
export type { FloatArray, NdArray, NumericArray, SpatialShape } from "./src/base/arrays.ts";
export type {
  Batch,
  BatchLoader,
  BatchSource,
  RowBatch,
  StepPosition,
  SubjectBatch,
} from "./src/base/batches.ts";
export type { FrameBatch } from "./src/base/frames.ts";
export {
  BackendError,
  CheckpointError,
  ConfigError,
  DivergenceError,
  FormatError,
  InterruptedError,
  RecvaeError,
  ShapeError,
  SingularMatrixError,
  WriteError,
} from "./src/base/errors.ts";
