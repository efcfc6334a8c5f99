/** Volumes, tokens and times as the network's inputs [brain-sequence §3]. */
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { embedding } from "../../ops/embedding.ts";
import { concatenate } from "../../ops/parts.ts";
import { type ParameterEntry, plainEntry } from "../../parameters/entry.ts";
import type { SequenceConfig } from "./config.ts";
import type { Pass } from "./layers.ts";
import { type Prepared, type SequenceBatch, TOKENS } from "./preparation.ts";
import { project, projectionEntries } from "./projection.ts";
import { timeRowCount, timeRows } from "./time_rows.ts";

const NORMAL = { kind: "normal", deviation: 1 } as const;

/** Entries of tokens, projection and time table, in the order of published files. */
export function embedderEntries(config: SequenceConfig): ParameterEntry[] {
  const { architecture, parcels, positions, embeddingDim, timePrecision } = config;
  if (architecture === "linear") return [];
  const entry = (name: string, shape: number[]) =>
    plainEntry(`embedder.${name}`, { shape, start: NORMAL });
  const pairs = architecture === "bert" || architecture === "netbert";
  const masks = architecture === "netbert" ? [1, positions, 1] : [1, 1, parcels];
  return [
    ...(architecture === "autoencoder" ? [] : [
      entry("msk_embed", masks),
      entry("cls_embed", [1, 1, parcels]),
      ...(pairs ? [entry("sep_embed", [1, parcels])] : []),
    ]),
    ...projectionEntries(config),
    entry("wt_re.weight", [timeRowCount(timePrecision), embeddingDim]),
  ];
}

/**
 * Volumes with their tokens, before the projection.
 *
 * @returns `[B·T′, N]`.
 */
export function placedVolumes(pass: Pass, batch: SequenceBatch, prepared: Prepared): tf.Tensor {
  const [, T, N] = batch.shape;
  const { places, shape: [B, width] } = prepared;
  const hidden = prepared.hiddenParcels;
  const values = new Float32Array(B * width * N);
  places.forEach((place, i) => {
    if (place < 0) return;
    const from = (Math.floor(i / width) * T + place) * N;
    for (let n = 0; n < N; n++) values[i * N + n] = hidden?.[from + n] ? 0 : batch.inputs[from + n];
  });
  const x = toTensor(values, [B * width, N]);
  const tokens = tokenValues(pass, prepared, N);
  const placed = tokens ? tf.add(x, tokens) : x;
  return hidden ? tf.add(placed, hiddenValues(pass, batch, prepared)) : placed;
}

/** Tokens at their places: a product with ones and zeros, whose gradient is cheap. */
function tokenValues(pass: Pass, { places }: Prepared, N: number): tf.Tensor | null {
  const names = new Map<number, string>([
    [TOKENS.mask, "embedder.msk_embed"],
    [TOKENS.cls, "embedder.cls_embed"],
    [TOKENS.separator, "embedder.sep_embed"],
  ]);
  const used = [...names.keys()].filter((token) => places.includes(token));
  if (used.length === 0) return null;
  const choice = new Float32Array(places.length * used.length);
  places.forEach((place, i) => {
    const column = used.indexOf(place);
    if (column >= 0) choice[i * used.length + column] = 1;
  });
  const rows = used.map((token) => tf.reshape(pass.tensor(names.get(token)!), [1, N]));
  const table = rows.length === 1 ? rows[0] : concatenate(rows, 0);
  return tf.matMul(
    toTensor(choice, [places.length, used.length]) as tf.Tensor2D,
    table as tf.Tensor2D,
  );
}

/** netbert: what stands for a hidden parcel depends on the volume's number alone. */
function hiddenValues(pass: Pass, batch: SequenceBatch, prepared: Prepared): tf.Tensor {
  const [, T, N] = batch.shape;
  const { places, shape: [, width], hiddenParcels } = prepared;
  const mask = new Float32Array(places.length * N);
  places.forEach((place, i) => {
    if (place < 0) return;
    const from = (Math.floor(i / width) * T + place) * N;
    for (let n = 0; n < N; n++) mask[i * N + n] = hiddenParcels![from + n];
  });
  const indices = tf.tensor(
    Int32Array.from(places, (place) => Math.max(place, 0)),
    [places.length],
    "int32",
  );
  const table = pass.tensor("embedder.msk_embed");
  const scalars = embedding(indices, tf.reshape(table, [table.size, 1]));
  return tf.mul(toTensor(mask, [places.length, N]), scalars);
}

/**
 * Projected volumes plus the row of the time table.
 *
 * @returns `[B, T′, E]`.
 */
export function embed(pass: Pass, batch: SequenceBatch, prepared: Prepared): tf.Tensor {
  const [B, width] = prepared.shape;
  const { timePrecision, embeddingDim } = pass.config;
  const rows = timeRows(prepared.times, timePrecision);
  const times = embedding(
    tf.tensor(rows, [rows.length], "int32"),
    pass.tensor("embedder.wt_re.weight"),
  );
  const x = tf.add(project(pass, placedVolumes(pass, batch, prepared)), times);
  return tf.reshape(x, [B, width, embeddingDim]);
}
