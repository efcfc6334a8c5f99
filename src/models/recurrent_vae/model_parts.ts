/** What a model is made of: all that its passes need to know of it. */
import type { ParameterStore } from "../../parameters/parameter_store.ts";
import type { Architecture } from "./architecture.ts";
import type { RecurrentVaeConfig } from "./config.ts";

/** A model's configuration, sizes and numbers. */
export interface ModelParts {
  /** The complete configuration. */
  readonly config: RecurrentVaeConfig;
  /** Sizes and parameter table. */
  readonly architecture: Architecture;
  /** Variables and buffers. */
  readonly state: ParameterStore;
}
