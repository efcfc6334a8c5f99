/** Sequences cut from runs: at random for training, one after the other for scores. */
import type { BatchSource } from "../../base/batches.ts";
import { RandomStream } from "../../base/random.ts";
import { rowStream } from "../../base/row_stream.ts";
import type { ParcelRun } from "../../data/parcellated/parcel_run.ts";
import type { SequenceBatch } from "../../models/brain_sequence/preparation.ts";

/** Runs to cut from. */
export interface CropSource {
  readonly runs: readonly ParcelRun[];
  /** Of each run `[T, N]`: what an autoregressive model leaves over; with objective `every` alone. */
  readonly residuals?: readonly Float32Array[];
  /** Seconds between volumes. */
  readonly repetitionTime: number;
  /** Most volumes of a sequence. */
  readonly length: number;
}

/** How training sequences are drawn. */
export interface CropOptions {
  /** Fewest volumes of a sequence. */
  readonly least: number;
  readonly batchSize: number;
  readonly seed: number;
  /** Two sequences a row, one after the other or of two runs. */
  readonly pairs: boolean;
}

/** A piece of a run. */
interface Piece {
  readonly run: number;
  readonly onset: number;
  readonly length: number;
}

/** A row of a batch: a piece, or two with whether they follow one another. */
interface Row {
  readonly row: number;
  readonly pieces: readonly Piece[];
  readonly isNext?: number;
}

/** Most volumes left out between the two sequences of a pair, plus one. */
const GAP_END = 5;

/**
 * Training batches: as many random crops of each run as fit into it, in random order.
 *
 * @param source Runs.
 * @param options How they are cut.
 */
export function randomCrops(source: CropSource, options: CropOptions): BatchSource<SequenceBatch> {
  const items = cropRuns(source);
  return {
    *batches(epoch) {
      const order = RandomStream.fromSeed(options.seed).split("order").split(epoch)
        .permutation(items.length);
      for (let start = 0; start < order.length; start += options.batchSize) {
        const rows = [...order.subarray(start, start + options.batchSize)].map((row) => {
          const draw = rowStream(options.seed, { epoch, row }).split("crop");
          return { row: items[row], ...drawRow(source, options, { run: items[row], draw }) };
        });
        yield batchOf(source, rows);
      }
    },
  };
}

/** Number of batches of an epoch. */
export function batchCount(source: CropSource, batchSize: number): number {
  return Math.ceil(cropRuns(source).length / batchSize);
}

/** The run of every crop of an epoch. */
function cropRuns(source: CropSource): number[] {
  return source.runs.flatMap((_, run) =>
    new Array(Math.ceil(usable(source, run) / source.length)).fill(run)
  );
}

/** Volumes that can be used: after the last one there is nothing to predict. */
function usable({ runs, residuals }: CropSource, run: number): number {
  return runs[run].volumes - (residuals ? 1 : 0);
}

function drawRow(
  source: CropSource,
  { least, pairs }: CropOptions,
  { run, draw }: { run: number; draw: RandomStream },
): Omit<Row, "row"> {
  const { runs, length } = source;
  const crop = (which: number): Piece => {
    const volumes = usable(source, which);
    const most = Math.min(length, volumes);
    const shortest = Math.min(least, most);
    const taken = shortest + draw.integer(most - shortest + 1);
    return { run: which, length: taken, onset: draw.integer(volumes - taken + 1) };
  };
  const whole = crop(run);
  if (!pairs) return { pieces: [whole] };
  const gap = Math.max(0, Math.min(1 + draw.integer(GAP_END - 1), whole.length - 4));
  const half = Math.floor((whole.length - gap) / 2);
  const first = { ...whole, length: half };
  const follows = runs.length < 2 || draw.uniform() < 0.5;
  if (follows) {
    const onset = whole.onset + half + gap;
    const second = { run, onset, length: whole.length - half - gap };
    return { pieces: [first, second], isNext: 1 };
  }
  const other = (run + 1 + draw.integer(runs.length - 1)) % runs.length;
  const elsewhere = crop(other);
  const second = { ...elsewhere, length: Math.min(elsewhere.length, length - half) };
  return { pieces: [first, second], isNext: 0 };
}

/**
 * All of every run in consecutive windows, in batches.
 *
 * @param source Runs.
 * @param batchSize Windows of a batch.
 */
export function* consecutiveCrops(
  source: CropSource,
  batchSize: number,
): Generator<{ batch: SequenceBatch; windows: readonly Piece[] }> {
  const windows = source.runs.flatMap((_, run) => {
    const volumes = usable(source, run);
    return Array.from({ length: Math.ceil(volumes / source.length) }, (_, i) => {
      const onset = i * source.length;
      return { run, onset, length: Math.min(source.length, volumes - onset) };
    });
  });
  for (let start = 0; start < windows.length; start += batchSize) {
    const taken = windows.slice(start, start + batchSize);
    const rows = taken.map((window) => ({ row: window.run, pieces: [window] }));
    yield { batch: batchOf(source, rows), windows: taken };
  }
}

function batchOf(source: CropSource, rows: readonly Row[]): SequenceBatch {
  const { runs: [{ parcels: N }], residuals, repetitionTime } = source;
  const lengths = Int32Array.from(
    rows,
    ({ pieces }) => pieces.reduce((sum, { length }) => sum + length, 0),
  );
  const [B, T] = [rows.length, Math.max(...lengths)];
  const inputs = new Float32Array(B * T * N);
  const targets = residuals && new Float32Array(B * T * N);
  const times = new Float32Array(B * T);
  const tokenTypes = new Int32Array(B * T);
  rows.forEach(({ pieces }, b) => {
    let place = b * T;
    pieces.forEach(({ run, onset, length }, part) => {
      const at = (from: number) => source.runs[run].values.subarray(from * N, (from + length) * N);
      inputs.set(at(onset), place * N);
      const next = residuals?.[run].subarray((onset + 1) * N, (onset + 1 + length) * N);
      if (next) targets!.set(next, place * N);
      for (let t = 0; t < length; t++) times[place + t] = Math.fround(t * repetitionTime);
      tokenTypes.fill(part, place, place + length);
      place += length;
    });
  });
  const paired = rows.some(({ pieces }) => pieces.length > 1);
  return {
    rows: rows.map(({ row }) => row),
    inputs,
    shape: [B, T, N],
    times,
    lengths,
    ...(targets && { targets }),
    ...(paired && { tokenTypes, isNext: Int32Array.from(rows, ({ isNext }) => isNext!) }),
  };
}
