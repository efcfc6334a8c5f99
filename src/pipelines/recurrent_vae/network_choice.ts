/** Which network a command line means, and what does not go with it. */
import { UsageError } from "../option_table.ts";
import type { ConfigFile } from "./config_file.ts";
import { CONVOLUTIONAL_FIELDS, LAGGED_ONLY_FIELDS, type ModelFields } from "./model_options.ts";
import type { PRESETS } from "./presets.ts";
import type { RunPlan, TrainValues } from "./train_options.ts";

/**
 * The preset that is meant. Settings that only the convolutional network has mean that network where no preset is named,
 * and that is said.
 */
export function presetFor(
  values: TrainValues,
  file: ConfigFile,
  fields: ModelFields,
): { readonly name: keyof typeof PRESETS; readonly notes: readonly string[] } {
  const named = values.preset ?? file.training.preset;
  if (named) return { name: named, notes: [] };
  const own = CONVOLUTIONAL_FIELDS.find((name) => name in fields) ??
    (["optimiser", "momentum"] as const).find((name) => values[name] ?? file.training[name]);
  if (own === undefined || fields.network === "lagged") return { name: "default", notes: [] };
  const note =
    `${
      optionWords(own)
    } belongs to the convolutional network: preset conv is used; --preset default has ` +
    "linear and lag paths instead.";
  return { name: "conv", notes: [note] };
}

/** Settings of the other network are refused. */
export function requireNetwork(
  values: TrainValues,
  fields: ModelFields,
  network: RunPlan["network"],
): void {
  const foreign = network === "lagged" ? CONVOLUTIONAL_FIELDS : LAGGED_ONLY_FIELDS;
  const found = foreign.find((name) => name in fields) ??
    (network === "lagged"
      ? (["optimiser", "momentum"] as const).find((name) => values[name])
      : undefined);
  if (found !== undefined) {
    const presets = network === "lagged" ? "--preset conv or original" : "--preset default";
    throw new UsageError(`${optionWords(found)} goes with ${presets}`);
  }
  if (fields.network === "lagged" && network !== "lagged") {
    throw new UsageError("The settings of that file are of preset default; leave out --preset");
  }
}

function optionWords(field: string): string {
  return `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** A tanh reaches from −1 to 1 only: z-scores do not fit into it. */
export function requireScaling(
  { scaling }: TrainValues,
  { network, output = "tanh" }: {
    readonly network: RunPlan["network"];
    readonly output?: string;
  },
): void {
  const beyond = scaling !== undefined && /z-score|detrend/.test(scaling);
  if (network === "lagged" || output !== "tanh" || !beyond) return;
  throw new UsageError(
    `--scaling ${scaling} gives values beyond the -1 to 1 that --output-activation tanh can reach; use ` +
      "--output-activation clamp, another scaling, or --preset default",
  );
}

/** The lagged model's decay is part of its configuration. */
export function decayOf(
  values: TrainValues,
  file: ConfigFile,
  network: RunPlan["network"],
): ModelFields {
  const decay = values["weight-decay"] ?? file.training.weightDecay;
  return network === "lagged" && decay !== undefined ? { weightDecay: decay } : {};
}
