/** What a network sees of a batch and what it shall predict: masks and special tokens [brain-sequence §4]. */
import { ConfigError } from "../../base/errors.ts";
import type { SequenceConfig } from "./config.ts";
import { NO_TIME } from "./time_rows.ts";

/** Padded sequences as a loader gives them. */
export interface SequenceBatch {
  /** Rows of the dataset, for messages. */
  readonly rows: readonly number[];
  /** `[B, T, N]`, zeros on padding. */
  readonly inputs: Float32Array;
  /** B, T, N. */
  readonly shape: readonly [number, number, number];
  /** `[B, T, N]`: what is to be predicted instead of the inputs: of objective `every`, after each volume. */
  readonly targets?: Float32Array;
  /** Seconds, `[B, T]`. */
  readonly times: Float32Array;
  /** Volumes of each row that are none of padding, `[B]`; they stand first. */
  readonly lengths: Int32Array;
  /** `[B, T]`: 0 for the first of a pair of sequences, 1 for the second; with pairs alone. */
  readonly tokenTypes?: Int32Array;
  /** `[B]`: the label of the pair task; with pairs alone. */
  readonly isNext?: Int32Array;
  /** `[B]`: classes; for decoding alone. */
  readonly labels?: Int32Array;
}

/** What stands at a place of a prepared sequence beside volumes: the index of a volume, or one of these. */
export const TOKENS = { mask: -1, cls: -2, separator: -3, nothing: -4 } as const;

/** Random choices of a batch. */
export interface MaskDraws {
  /** csm: the volume to predict of each row, from 1 to its length − 1. */
  readonly hiddenVolume?: ArrayLike<number>;
  /** bert: uniform numbers `[B, T]`; netbert: `[B, N]`. */
  readonly uniform?: ArrayLike<number>;
  /** What is hidden where a uniform number is at least 1 − rate. */
  readonly rate?: number;
}

/** A batch with its tokens; every array is row by row. */
export interface Prepared {
  /** B and T′, the places of a row. */
  readonly shape: readonly [number, number];
  /** `[B, T′]`: the index of a volume, or one of {@link TOKENS}. */
  readonly places: Int32Array;
  /** Seconds, `[B, T′]`; −1 for tokens. */
  readonly times: Float32Array;
  /** `[B, T′]`: 1 where something stands that may be looked at. */
  readonly attention: Int32Array;
  /** `[B, T′]`, with pairs alone. */
  readonly tokenTypes?: Int32Array;
  /** `[B, T, N]`: what is hidden of the volumes themselves; netbert alone. */
  readonly hiddenParcels?: Uint8Array;
  /** `[B, T′]`: index of the volume that is to be predicted here, −1 where none is. */
  readonly targets?: Int32Array;
}

/**
 * Hides what is to be predicted and puts the special tokens in.
 *
 * @param batch Padded sequences.
 * @param config The model's.
 * @param draws Random choices; none for decoding and the autoencoder.
 */
export function prepare(
  batch: SequenceBatch,
  config: SequenceConfig,
  draws: MaskDraws = {},
): Prepared {
  const plain = unmasked(batch);
  const { style, architecture, compatibility: { lateCls } } = config;
  if (architecture === "autoencoder" || architecture === "linear") return plain;
  if (style === "decoding") return withCls({ ...plain, tokenTypes: undefined }, lateCls);
  if (style === "csm" && config.objective === "every") return { ...plain, targets: plain.places };
  if (style === "csm") return nextVolume(plain, batch, draws);
  const masked = style === "bert"
    ? hideVolumes(plain, batch, draws)
    : hideParcels(plain, batch, draws);
  const separated = batch.tokenTypes ? withSeparators(masked, batch) : masked;
  return withCls(separated, lateCls);
}

/** The batch as it is. */
function unmasked({ shape: [B, T], times, lengths, tokenTypes }: SequenceBatch): Prepared {
  const places = new Int32Array(B * T);
  const attention = new Int32Array(B * T);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      places[b * T + t] = t < lengths[b] ? t : TOKENS.nothing;
      attention[b * T + t] = t < lengths[b] ? 1 : 0;
    }
  }
  return { shape: [B, T], places, times, attention, ...(tokenTypes && { tokenTypes }) };
}

/** csm: one volume is hidden, and with it all that follow. */
function nextVolume(plain: Prepared, batch: SequenceBatch, { hiddenVolume }: MaskDraws): Prepared {
  const [B, T] = plain.shape;
  const places = plain.places.slice();
  const attention = new Int32Array(B * T);
  const targets = new Int32Array(B * T).fill(-1);
  for (let b = 0; b < B; b++) {
    const hidden = hiddenVolume![b];
    if (batch.lengths[b] < 2) tooShort(batch.rows[b], batch.lengths[b]);
    places.fill(TOKENS.nothing, b * T + hidden + 1, (b + 1) * T);
    places[b * T + hidden] = TOKENS.mask;
    targets[b * T + hidden] = hidden;
    attention.fill(1, b * T, b * T + hidden + 1);
  }
  return { ...plain, places, attention, targets };
}

function tooShort(row: number, length: number): never {
  throw new ConfigError(
    "inputs",
    `Cannot hide a volume of row ${row}: it has ${length} volumes, needs at least 2`,
  );
}

/** bert: whole volumes are hidden. */
function hideVolumes(plain: Prepared, { lengths }: SequenceBatch, draws: MaskDraws): Prepared {
  const [B, T] = plain.shape;
  const places = plain.places.slice();
  const targets = new Int32Array(B * T).fill(-1);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < lengths[b]; t++) {
      if (draws.uniform![b * T + t] < 1 - draws.rate!) continue;
      places[b * T + t] = TOKENS.mask;
      targets[b * T + t] = t;
    }
  }
  return { ...plain, places, targets };
}

/** netbert: some parcels are hidden at all times. */
function hideParcels(plain: Prepared, batch: SequenceBatch, draws: MaskDraws): Prepared {
  const { shape: [B, T, N], lengths } = batch;
  const hiddenParcels = new Uint8Array(B * T * N);
  const targets = new Int32Array(B * T).fill(-1);
  for (let b = 0; b < B; b++) {
    for (let n = 0; n < N; n++) {
      if (draws.uniform![b * N + n] < 1 - draws.rate!) continue;
      for (let t = 0; t < lengths[b]; t++) hiddenParcels[(b * T + t) * N + n] = 1;
    }
    for (let t = 0; t < lengths[b]; t++) targets[b * T + t] = t;
  }
  return { ...plain, hiddenParcels, targets };
}

/** A separator behind either half; what follows moves up. */
function withSeparators(masked: Prepared, { lengths, tokenTypes }: SequenceBatch): Prepared {
  const [, T] = masked.shape;
  return lengthened(masked, 2, (b) => {
    const row = tokenTypes!.subarray(b * T, b * T + lengths[b]);
    const first = row.indexOf(1) < 0 ? lengths[b] : row.indexOf(1);
    const second = lengths[b] - first;
    const separator = { place: TOKENS.separator, time: NO_TIME, target: -1 };
    const volumes = Array.from({ length: T }, (_, t) => b * T + t);
    return {
      cells: [
        ...volumes.slice(0, first),
        { ...separator, type: 0 },
        ...volumes.slice(first, first + second),
        { ...separator, type: 1 },
        ...volumes.slice(first + second),
      ],
      length: lengths[b] + 2,
    };
  });
}

/** The CLS token in front; or, as the published code has it, behind the last token with everything else in front. */
function withCls(prepared: Prepared, late: boolean): Prepared {
  const [B, T] = prepared.shape;
  const cls = { place: TOKENS.cls, time: NO_TIME, type: 0, target: -1 };
  const inFront = lengthened(prepared, 1, (b) => {
    const cells = Array.from({ length: T }, (_, t) => b * T + t);
    return { cells: [cls, ...cells], length: lengthOf(prepared, b) + 1 };
  });
  if (!late) return inFront;
  const places = new Int32Array(B * (T + 1));
  const times = new Float32Array(B * (T + 1));
  for (let b = 0; b < B; b++) {
    const last = lengthOf(prepared, b);
    for (let t = 0; t <= T; t++) {
      const from = b * T + (t > last ? t - 1 : t);
      places[b * (T + 1) + t] = t === last ? cls.place : prepared.places[from];
      times[b * (T + 1) + t] = t === last ? cls.time : prepared.times[from];
    }
  }
  return { ...inFront, places, times };
}

function lengthOf({ shape: [, T], attention }: Prepared, b: number): number {
  const end = attention.subarray(b * T, (b + 1) * T).indexOf(0);
  return end < 0 ? T : end;
}

/** A token, or the index of a cell that is taken over. */
type Cell =
  | number
  | {
    readonly place: number;
    readonly time: number;
    readonly type: number;
    readonly target: number;
  };

/** Rows with more places, each of them made from cells of the old row. */
function lengthened(
  from: Prepared,
  more: number,
  rowOf: (b: number) => { cells: readonly Cell[]; length: number },
): Prepared {
  const [B, T] = [from.shape[0], from.shape[1] + more];
  const result = {
    places: new Int32Array(B * T),
    times: new Float32Array(B * T),
    attention: new Int32Array(B * T),
    tokenTypes: from.tokenTypes && new Int32Array(B * T),
    targets: from.targets && new Int32Array(B * T),
  };
  for (let b = 0; b < B; b++) {
    const { cells, length } = rowOf(b);
    result.attention.fill(1, b * T, b * T + length);
    cells.forEach((cell, t) => {
      const i = b * T + t;
      const old = typeof cell === "number";
      result.places[i] = old ? from.places[cell] : cell.place;
      result.times[i] = old ? from.times[cell] : cell.time;
      if (result.tokenTypes) result.tokenTypes[i] = old ? from.tokenTypes![cell] : cell.type;
      if (result.targets) result.targets[i] = old ? from.targets![cell] : cell.target;
    });
  }
  return { ...from, ...result, shape: [B, T] };
}
