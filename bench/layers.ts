/** The eight convolutions of the model for a volume size, and the multiply–adds of a training step. */
import type { SpatialShape } from "../src/base/arrays.ts";
import type { Triple } from "../src/backends/kernel_contract.ts";
import { describeArchitecture } from "../src/models/recurrent_vae/architecture.ts";
import { resolveConfig } from "../src/models/recurrent_vae/config.ts";

/** One convolution of the network, described by the stride-2 convolution it is or inverts. */
export interface Layer {
  /** `encoder1` … `encoder4`, `decoder2` … `decoder5`. */
  readonly name: string;
  /** Whether the layer is the transposed convolution. */
  readonly transposed: boolean;
  /** `[Z, Y, X]` on the fine and on the coarse side. */
  readonly fine: Triple;
  readonly coarse: Triple;
  /** Channels on the fine and on the coarse side. */
  readonly fineChannels: number;
  readonly coarseChannels: number;
  /** Multiply–adds for one volume, padding taps counted [recurrent-vae §11]. */
  readonly multiplyAdds: number;
}

const KERNEL_TAPS = 64;

function product(values: readonly number[]): number {
  return values.reduce((a, b) => a * b, 1);
}

/** `[X, Y, Z]` to `[Z, Y, X]`. */
function tensorOrder([x, y, z]: SpatialShape): Triple {
  return [z, y, x];
}

/**
 * The convolutions of the default network.
 *
 * @param spatialShape `[X, Y, Z]` of the volumes.
 */
export function convolutionLayers(spatialShape: SpatialShape): Layer[] {
  const { levels, encoder } = describeArchitecture(resolveConfig({ spatialShape }), 1);
  const convolutions = levels.map((level, l) => ({
    name: `encoder${l + 1}`,
    transposed: false,
    fine: tensorOrder(level.fine),
    coarse: tensorOrder(level.coarse),
    fineChannels: encoder[l].inChannels,
    coarseChannels: encoder[l].outChannels,
    multiplyAdds: product(level.coarse) * KERNEL_TAPS * encoder[l].inChannels *
      encoder[l].outChannels,
  }));
  const inverses = convolutions.map((layer, l) => ({
    ...layer,
    name: `decoder${levels.length + 1 - l}`,
    transposed: true,
  }));
  return [...convolutions, ...inverses.reverse()];
}

/**
 * Multiply–adds of a training step per frame and volume, backward counted twice the forward [recurrent-vae §11], the
 * recomputed encoder of the time-parallel step not counted: 3 · 145.6 million at full size.
 *
 * @param spatialShape `[X, Y, Z]`.
 */
export function stepMultiplyAdds(spatialShape: SpatialShape): number {
  const config = resolveConfig({ spatialShape });
  const { entries } = describeArchitecture(config, 1);
  const convolutions = convolutionLayers(spatialShape).reduce((sum, l) => sum + l.multiplyAdds, 0);
  const linear = entries.filter(({ key, shape }) => key.endsWith(".weight") && shape.length === 2)
    .reduce((sum, { shape }) => sum + product(shape), 0);
  return 3 * (convolutions + linear);
}
