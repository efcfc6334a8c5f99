/** The shape of one sample on its way through a network, and the checks of it. */
import { ConfigError } from "../base/errors.ts";

/** One sample between two layers. */
export interface SampleShape {
  /**
   * PyTorch's order: `[C, X]`, `[C, X, Y]` or `[C, X, Y, Z]` of an image, `[F]` of features. In memory an image is
   * `[Z, Y, X, C]`.
   */
  readonly axes: readonly number[];
  /** Whether an image is flattened: one axis in memory, of all its values in memory order. */
  readonly flat: boolean;
}

/** Values of a sample. */
export function sizeOfSample({ axes }: SampleShape): number {
  return axes.reduce((product, n) => product * n, 1);
}

/** Its shape in memory, without the batch axis. */
export function memoryShape(sample: SampleShape): number[] {
  return sample.flat || sample.axes.length === 1
    ? [sizeOfSample(sample)]
    : sample.axes.toReversed();
}

/** Whether it is an image that is not flattened. */
export function isImage({ axes, flat }: SampleShape): boolean {
  return !flat && axes.length >= 2 && axes.length <= 4;
}

/**
 * Refuses a layer of images where there are none.
 *
 * @param layer For the message.
 * @param sample What it is given.
 * @throws {ConfigError} when it is no image.
 */
export function requireImage(layer: string, sample: SampleShape): void {
  if (isImage(sample)) return;
  throw new ConfigError(
    "layers",
    `Cannot make the network: ${layer} is given ${
      inWords(sample)
    }, needs an image [C, X], [C, X, Y] or ` +
      "[C, X, Y, Z]; put it before flattening",
  );
}

/** For messages. */
export function inWords(sample: SampleShape): string {
  return isImage(sample) ? `an image [${sample.axes}]` : `${sizeOfSample(sample)} features`;
}
