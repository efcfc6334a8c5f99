/** What the training machinery asks of a model: its weights, by name, in and out. */
import type { NdArray, NumericArray } from "../base/arrays.ts";

/** Named arrays of a model: parameters and buffers in the layouts its files have. */
export type NamedArrays = ReadonlyMap<string, NdArray<NumericArray>>;

/** A model whose weights can be saved. */
export interface WeightSource {
  /** Copies all parameters and buffers to the host. */
  stateDict(): Promise<NamedArrays>;
}

/** A model whose weights can be saved and restored. */
export interface WeightHolder extends WeightSource {
  /**
   * Takes over parameters and buffers, strictly: missing, unknown or mis-shaped names are errors.
   *
   * @throws {CheckpointError}
   */
  loadStateDict(state: NamedArrays): void | Promise<void>;
}
