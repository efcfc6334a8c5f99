/**
 * Parameters of models of your own: a network as a list of entries (names and shapes as files have them, starting
 * values), and the store that keeps its variables. Importing this module computes nothing and needs no permission.
 *
 * @module
 */
export { plainEntry, uniformByFanIn } from "./entry.ts";
export { convolutionEntries, filterEntry, linearEntries, normEntries } from "./layers.ts";
export { ParameterStore } from "./parameter_store.ts";
export { drawStartingValues } from "./starting_values.ts";
export { RandomStream } from "../base/random.ts";
export { TorchGenerator } from "../base/torch_random.ts";
export type { FloatArray, NdArray, NumericArray } from "../base/arrays.ts";
export type { CheckpointError, RecvaeError } from "../base/errors.ts";
export type { ParameterEntry, StartingValues } from "./entry.ts";
export type { FilterSizes, LinearSizes } from "./layers.ts";
export type { StateDict } from "./state_dict.ts";
