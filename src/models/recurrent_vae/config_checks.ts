/** What the configurations of both networks check alike, and how they refuse. */
import { ConfigError } from "../../base/errors.ts";
import { type Field, findProblem } from "../../base/fields.ts";

/** Refuses a field by its name. */
export function refuse(field: string, found: unknown, needed: string): never {
  throw new ConfigError(
    field,
    `Cannot use the configuration: ${field} is ${found}, needs ${needed}`,
  );
}

/** Checks the kinds and ranges of single fields by their table. */
export function checkFields(fields: unknown, table: Field): void {
  const problem = findProblem(fields, table, { noun: "field" });
  if (!problem) return;
  // "channels[1]" is the field "channels".
  const field = problem.field.replace(/\[.*/, "");
  throw new ConfigError(field, `Cannot use the configuration: ${problem.clause}`);
}

/** Checks that a volume has three axes. */
export function checkAxes(spatialShape: readonly number[]): void {
  if (spatialShape.length === 3) return;
  refuse("spatialShape", `[${spatialShape}]`, "three axes [X, Y, Z]");
}

/** Checks that the decoder has a stage for every level of the encoder. */
export function checkStages(
  { channels, decoderChannels }: {
    readonly channels: readonly number[];
    readonly decoderChannels: readonly number[];
  },
): void {
  if (decoderChannels.length === channels.length) return;
  refuse(
    "decoderChannels",
    `${decoderChannels.length} stages`,
    `${channels.length}, one per level`,
  );
}
