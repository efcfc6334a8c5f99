/** All families of the battery, and the whole battery in one call. */
import type { BackendName } from "../../src/backends/engine.ts";
import {
  ACTIVATION_FAMILY,
  DROPOUT_FAMILY,
  LAYER_NORM_FAMILY,
  SOFTMAX_FAMILY,
} from "./activation_families.ts";
import { compareFamily, type Comparison, type Family } from "./battery.ts";
import { CONVOLUTION, FILTER_GRADIENT, INPUT_GRADIENT } from "./convolution_families.ts";
import { TANH_ERROR_FAMILY } from "./error_family.ts";
import { LINEAR } from "./linear_family.ts";
import { ATTENTION, CELLS, LINEAR_ACTIVATION } from "./network_families.ts";
import { FIXED_NORM, NORM, NORM_GRADIENT } from "./norm_families.ts";
import { PLANE_CONVOLUTION, TAP_FAMILY } from "./plane_families.ts";
import { ELEMENTWISE_FAMILY, MOVEMENT_FAMILY, REDUCTION_FAMILY } from "./stock_families.ts";

/** Every family, in the order of running. */
export const FAMILIES: readonly Family[] = [
  CONVOLUTION,
  INPUT_GRADIENT,
  FILTER_GRADIENT,
  NORM,
  FIXED_NORM,
  NORM_GRADIENT,
  TANH_ERROR_FAMILY,
  LINEAR,
  ACTIVATION_FAMILY,
  SOFTMAX_FAMILY,
  DROPOUT_FAMILY,
  LAYER_NORM_FAMILY,
  LINEAR_ACTIVATION,
  ATTENTION,
  CELLS,
  ELEMENTWISE_FAMILY,
  REDUCTION_FAMILY,
  MOVEMENT_FAMILY,
  PLANE_CONVOLUTION,
  TAP_FAMILY,
];

/**
 * Runs every family on an engine.
 *
 * @param engine Name of an engine that can be started here.
 * @param options `cases` per family; default 500.
 * @returns What was found, by name of the family.
 */
export async function runConformance(
  engine: BackendName,
  options: { readonly cases?: number } = {},
): Promise<Map<string, Comparison>> {
  const { cases = 500 } = options;
  const found = new Map<string, Comparison>();
  for (const family of FAMILIES) {
    found.set(family.name, await compareFamily(engine, family, cases));
  }
  return found;
}
