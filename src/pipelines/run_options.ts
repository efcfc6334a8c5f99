/** Options of `train` that every family has: where the run is written, how it is watched and resumed. */
import { ENGINE_OPTIONS } from "./engine_options.ts";
import type { Option, Values } from "./option_table.ts";

/** Part of every family's table. */
export const RUN_OPTIONS = [
  {
    name: "out",
    short: "o",
    kind: "text",
    value: "DIR",
    help: "Folder to write",
    otherwise: "runs/NAME-DATE-TIME",
    group: "Results",
  },
  {
    name: "force",
    short: "f",
    kind: "flag",
    help: "Replace a run that is in the folder already",
    group: "Results",
  },
  {
    name: "checkpoint-every",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Save a checkpoint every N epochs",
    otherwise: "when 10 seconds have passed",
    group: "Results",
  },
  ...ENGINE_OPTIONS,
  { name: "json", kind: "flag", help: "Print the summary as JSON" },
  { name: "quiet", short: "q", kind: "flag", help: "No progress on standard error" },
] as const satisfies readonly Option[];

/**
 * `--resume`, part of every family's table too.
 *
 * @param changeable Names of options that may accompany it.
 */
export function resumeOption(changeable: readonly string[]) {
  const names = [...changeable, "checkpoint-every", "backend", "threads"].map((name) =>
    `--${name}`
  );
  return {
    name: "resume",
    kind: "text",
    value: "DIR",
    help: "Go on with an interrupted run where it stopped, with its own settings; only " +
      `${names.slice(0, -1).join(", ")} and ${names.at(-1)} can be given`,
    group: "Results",
  } as const satisfies Option;
}

/** Parsed options of the table. */
export type RunValues = Values<typeof RUN_OPTIONS> & { readonly resume?: string };

/** Options of {@link RUN_OPTIONS} that may accompany --resume. */
export const CHANGEABLE_RUN_OPTIONS: readonly string[] = [
  "resume",
  "backend",
  "threads",
  "checkpoint-every",
  "json",
  "quiet",
];
