/**
 * Training of models of your own: gradients by the tape, optimisers, schedules and the loop. Importing this module
 * computes nothing and needs no permission.
 *
 * @module
 */
export { rowStream } from "../base/row_stream.ts";
export { runTraining } from "./loop.ts";
export { createOptimiser } from "./optimisers.ts";
export { withoutVariables } from "./parameter_groups.ts";
export { createSchedule } from "./schedules.ts";
export { tapeGradients } from "./tape_gradients.ts";
export type { Batch, BatchSource } from "../base/batches.ts";
export type { RandomStream } from "../base/random.ts";
export type { LoopResult } from "./loop.ts";
export type { LoopOptions } from "./loop_options.ts";
export type { Optimiser, OptimiserKind } from "./optimiser.ts";
export type { OptimiserOptions } from "./optimisers.ts";
export type { VariableMatch } from "./parameter_groups.ts";
export type { LearningRateSchedule, ScheduleKind, ScheduleOptions } from "./schedules.ts";
export type { LossTerms, TapeOutcome } from "./tape_gradients.ts";
export type { PhasedTrainable, Trainable } from "./trainable.ts";
export type { RowBatch, SubjectBatch } from "../base/batches.ts";
export type { DivergenceError } from "../base/errors.ts";
export type { AdamOptions } from "./adam.ts";
export type { EarlyStoppingOptions } from "./early_stopping.ts";
export type { EndReason } from "./loop.ts";
export type { BatchReport, EpochCallback, StepInterval } from "./loop_options.ts";
export type { OptimiserState } from "./optimiser.ts";
export type { ParameterGroup } from "./parameter_groups.ts";
export type { TrainingPosition } from "./schedules.ts";
export type { SgdOptions } from "./sgd.ts";
export type { Phase, TrainableHooks, TrainingPhase } from "./trainable.ts";
export type { EpochMetrics, TrainingState } from "./training_state.ts";
export type { FloatArray, NdArray, NumericArray } from "../base/arrays.ts";
export type { StepPosition } from "../base/batches.ts";
export type { RecvaeError } from "../base/errors.ts";
export type { EarlyStoppingState } from "./early_stopping.ts";
export type { RunControls } from "./loop_options.ts";
export type { StepOutcome, UpdatePosition } from "./trainable.ts";
export type { NamedArrays } from "./weight_holder.ts";
