/** The plain autoencoder, optionally with one latent value tied to an attribute [streamlines §4.1]. */
import type { StepPosition } from "../../base/batches.ts";
import { toScalar, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { squaredError } from "../../losses/pointwise.ts";
import { slice } from "../../ops/parts.ts";
import type { LossTerms } from "../../training/tape_gradients.ts";
import type { StepOutcome } from "../../training/trainable.ts";
import {
  attributeRegularisation,
  type AttributeRegularisationOptions,
} from "./attribute_regularisation.ts";
import {
  channelsOf,
  completeConfig,
  type StreamlineConfig,
  type StreamlineKind,
} from "./config.ts";
import { type Conditions, type StreamlineBatch, StreamlineModel } from "./model.ts";
import {
  decoderEntries,
  headEntries,
  type NetworkUse,
  runDecoder,
  runHead,
  runTrunk,
  trunkEntries,
} from "./network.ts";
import {
  type PrincipalAxes,
  principalStart,
  shortcutCode,
  shortcutEntries,
  shortcutPoints,
} from "./shortcut.ts";

/** Options of {@link StreamlineAutoencoder}. */
export interface AutoencoderOptions {
  /** Of starting values; default 0. */
  readonly seed?: number;
  /** Adds a linear way past the network. Default false. */
  readonly shortcut?: boolean;
  /** The squared error summed over everything (PyTorch's FINTA) or its mean. Default `"mean"`. */
  readonly reduction?: "mean" | "sum";
  /** Ties latent value `dimension` to the first attribute of the batches. Default none. */
  readonly regularisation?: AttributeRegularisationOptions & {
    /** 0 … latentDim − 1. */
    readonly dimension: number;
    /** Factor on the term; default 1. */
    readonly weight?: number;
  };
}

/** An autoencoder of streamlines. */
export class StreamlineAutoencoder extends StreamlineModel {
  /** Which of the five kinds. */
  readonly kind: StreamlineKind = "ae";
  readonly #options: AutoencoderOptions;

  /**
   * Makes a model with starting values.
   *
   * @param config See {@link StreamlineConfig}.
   * @param options See {@link AutoencoderOptions}.
   * @throws {ConfigError} naming the field that cannot be used.
   */
  constructor(config: StreamlineConfig = {}, options: AutoencoderOptions = {}) {
    const complete = completeConfig(config);
    const entries = [
      ...trunkEntries(complete),
      ...headEntries("encoder.fc1", complete),
      ...decoderEntries(complete),
      ...(options.shortcut ? shortcutEntries(complete) : []),
    ];
    super(complete, entries, options.seed ?? 0);
    this.#options = options;
  }

  /** Codes `[B, latentDim]` of streamlines in the unit of the model, `[B, P, 3]`. */
  encodeUnits(x: tf.Tensor): tf.Tensor {
    return this.code(x, this.use());
  }

  /** Streamlines `[B, P, 3]` in the unit of the model, of codes `[B, latentDim]`. */
  decodeUnits(z: tf.Tensor, _beside: Conditions = {}): tf.Tensor {
    return this.points(z, this.use());
  }

  /** z of x in the network's units. */
  code(x: tf.Tensor, use: NetworkUse): tf.Tensor {
    const z = runHead(runTrunk(x, this.config, use), "encoder.fc1", use);
    return this.#options.shortcut ? tf.add(z, shortcutCode(x, use)) : z;
  }

  /** y of z in the network's units. */
  points(z: tf.Tensor, use: NetworkUse): tf.Tensor {
    const y = runDecoder(z, this.config, use);
    return this.#options.shortcut ? tf.add(y, shortcutPoints(z, use)) : y;
  }

  /** The loss terms of a batch in the network's units. */
  terms(x: tf.Tensor, attribute: tf.Tensor | null, use: NetworkUse): LossTerms {
    const { reduction = "mean", regularisation } = this.#options;
    const z = this.code(x, use);
    const reconstruction = squaredError(this.points(z, use), x, { reduction });
    if (!regularisation || !attribute) return { loss: reconstruction };
    const { dimension, weight = 1, ...formula } = regularisation;
    const own = slice(z, { axis: 1, begin: dimension, length: 1 });
    const tied = attributeRegularisation(tf.reshape(own, [-1]), attribute, formula);
    const loss = tf.add(reconstruction, tf.mul(tied, toScalar(weight)));
    return { loss, reconstruction, attribute: tied };
  }

  /** Loss and gradients of a batch. */
  computeGradients(batch: StreamlineBatch, _position: StepPosition): Promise<StepOutcome> {
    return this.gradientsOf((use) => {
      const x = this.toUnits(toTensor(batch.x.data, batch.x.shape));
      return this.terms(x, firstAttribute(batch), use);
    });
  }

  /**
   * Starts the shortcut from principal axes: the model then is principal components, and the network learns the rest.
   *
   * @param principal Axes in the network's units.
   */
  async startFromAxes(principal: PrincipalAxes): Promise<void> {
    const last = `decoder.conv${channelsOf(this.config).length}`;
    this.loadStateDict(principalStart(await this.stateDict(), principal, ["encoder.fc1", last]));
  }
}

/** The first attribute of a batch, `[B]`. */
export function firstAttribute({ attributes }: StreamlineBatch): tf.Tensor | null {
  if (!attributes) return null;
  const [rows, width] = attributes.shape;
  const first = Float32Array.from({ length: rows }, (_, i) => attributes.data[i * width]);
  return toTensor(first, [rows]);
}
