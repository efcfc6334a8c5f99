/** The stock operation "MirrorPad" as maps of single taps (tap_contract.ts), one per axis that is padded. */
import { identityAxis, listedAxis, type TapMap } from "./tap_contract.ts";

/** Attributes of the stock kernel. */
export interface MirrorPadAttributes {
  /** Values before and after each axis. */
  readonly paddings: readonly (readonly [before: number, after: number])[];
  /** Whether the edge is left out of the mirror image ("reflect") or repeated ("symmetric"). */
  readonly mode: "reflect" | "symmetric";
}

/**
 * The maps to run one after the other; none where nothing is padded.
 *
 * @param shape Of the input.
 * @param attributes Of the kernel.
 */
export function mirrorMaps(shape: readonly number[], attributes: MirrorPadAttributes): TapMap[] {
  const edge = attributes.mode === "reflect" ? 0 : 1;
  const maps: TapMap[] = [];
  let inputShape = shape;
  attributes.paddings.forEach(([before, after], axis) => {
    if (before + after === 0) return;
    const length = inputShape[axis];
    const places = Array.from({ length: before + length + after }, (_, i) => {
      const place = i - before;
      if (place < 0) return [-place - edge];
      return [place < length ? place : 2 * (length - 1) - place + edge];
    });
    const inner = product(inputShape.slice(axis + 1));
    const outputShape = inputShape.map((n, a) => a === axis ? places.length : n);
    maps.push({
      axes: [identityAxis(), identityAxis(), listedAxis(places, { length, step: inner })],
      samples: product(inputShape.slice(0, axis)),
      inner,
      inputShape,
      outputShape,
    });
    inputShape = outputShape;
  });
  return maps;
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((result, n) => result * n, 1);
}
