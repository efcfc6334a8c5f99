/**
 * BOLD runs: NIfTI files read frame by frame. An uncompressed file is never loaded whole; a compressed
 * one is inflated once, bounded by what its header asks for (see `openers/open_bytes.ts`).
 */
import type { SpatialShape } from "../base/arrays.ts";
import { checkOptions, record } from "../base/fields.ts";
import { NIFTI_HEAD_BYTES, type NiftiHeader, readNiftiHeader } from "../formats/nifti_header.ts";
import { isPlainFloat32, type VoxelDecoder, voxelDecoder } from "../formats/nifti_voxels.ts";
import type { ByteSource } from "./openers/byte_source.ts";
import { surplusRemarks } from "./openers/content_store.ts";
import {
  isRemote,
  type Location,
  OPEN_OPTIONS,
  openBytes,
  type OpenOptions,
  pathOf,
  peekBytes,
} from "./openers/open_bytes.ts";
import { type FrameSource, frameTarget, voxelCount } from "./frame_source.ts";
import { pairOf } from "./nifti_pair.ts";

/** Options of {@link readNiftiFacts}. */
const FACTS_OPTIONS = record<Pick<OpenOptions, "label">>({ label: OPEN_OPTIONS.fields.label });

/** A 3-D or 4-D NIfTI image, open for reading. */
export interface BoldRun extends FrameSource {
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** Seconds between frames; null when the header has none or an impossible one. */
  readonly repetitionTime: number | null;
  /** Voxel index (x, y, z, 1) to millimetres, 4 × 4 row by row. */
  readonly affine: readonly number[];
  /** Millimetres along x, y, z. */
  readonly voxelSizes: readonly [number, number, number];
  /** Everything else the header says. */
  readonly header: NiftiHeader;
  /** Oddities of header and file that do not stop the reader, as sentences for a person. */
  readonly remarks: readonly string[];
  /** Closes the run at the end of a `using` block. */
  [Symbol.dispose](): void;
}

/**
 * Opens a NIfTI-1 or NIfTI-2 image: `.nii`, `.nii.gz`, or either half of an `.hdr`/`.img` pair on disk.
 *
 * @param location Path, `http(s):` or `file:` URL, or the file's bytes.
 * @param options Label, memory budget and folder for inflated content.
 * @returns The open run; `close()` it, or declare it with `using`.
 * @throws {FormatError} that says what the file is, when it is not a readable image.
 *
 * @example
 * ```ts
 * import { openBoldRun } from "./bold_run.ts";
 * import { writeNifti } from "../formats/nifti_write.ts";
 *
 * const bytes = writeNifti(Float32Array.from({ length: 24 }, (_, i) => i), {
 *   spatialShape: [3, 2, 2],
 *   frames: 2,
 *   repetitionTime: 2.5,
 * });
 * using run = await openBoldRun(bytes);
 * console.assert(run.readFrame(1)[0] === 12);
 * ```
 */
export async function openBoldRun(
  location: Location,
  options: OpenOptions = {},
): Promise<BoldRun> {
  checkOptions(options, OPEN_OPTIONS, { doing: "Cannot open the scan" });
  const pair = isRemote(location) ? undefined : pairOf(location);
  if (pair) return await openPair(pair, options);
  const label = options.label ?? nameOf(location);
  const plan = {
    headBytes: NIFTI_HEAD_BYTES,
    neededBytes: (head: Uint8Array, dataFileBytes: number) =>
      endOf(readNiftiHeader(head, { source: label, dataFileBytes })),
  };
  const bytes = await openBytes(location, { ...options, label, plan });
  const head = new Uint8Array(Math.min(NIFTI_HEAD_BYTES, bytes.size));
  bytes.readInto(0, head);
  return new LocalRun(bytes, readNiftiHeader(head, { source: label, dataFileBytes: bytes.size }));
}

/**
 * Reads the header alone: of a compressed file only the beginning is inflated, and whether all voxels are
 * there shows when the run is opened.
 *
 * @param location Path, `http(s):` or `file:` URL, or the file's bytes.
 * @param options `label`.
 * @throws {FormatError} that says what the file is, when it is not a readable image.
 */
export async function readNiftiFacts(
  location: Location,
  options: Pick<OpenOptions, "label"> = {},
): Promise<NiftiHeader> {
  checkOptions(options, FACTS_OPTIONS, { doing: "Cannot read the scan's header" });
  const { headerFor, limit } = await peekHeader(location, options);
  return headerFor(limit);
}

/** An image of which the beginning was read. */
export interface NiftiPreview {
  /** Everything the header says. */
  readonly header: NiftiHeader;
  /** The first frame, `[Z, Y, X]`, scaled. */
  readonly firstFrame: Float32Array;
  /** Oddities of header and file that do not stop the reader, as sentences for a person. */
  readonly remarks: readonly string[];
}

/**
 * Reads the header and the first frame: of a compressed file no more than that is inflated, and whether the rest is
 * sound shows when the run is opened.
 *
 * @param location Path, `http(s):` or `file:` URL, or the file's bytes.
 * @param options `label`.
 * @throws {FormatError} that says what the file is, when it is not a readable image.
 */
export async function previewNifti(
  location: Location,
  options: Pick<OpenOptions, "label"> = {},
): Promise<NiftiPreview> {
  const { headerFor, limit, image } = await peekHeader(location, options);
  const header = headerFor(limit);
  const firstFrame = new Float32Array(voxelCount(header.spatialShape));
  const frameBytes = firstFrame.length * header.bytesPerVoxel;
  const label = options.label ?? nameOf(image);
  const end = header.dataOffset + frameBytes;
  const { head, size } = await peekBytes(image, end, { label });
  if (head.length < end) headerFor(head.length); // throws: the header asks for more than there is
  voxelDecoder(header)(head.subarray(header.dataOffset), firstFrame);
  const surplus = size === undefined ? [] : surplusRemarks(size - endOf(header));
  return { header, firstFrame, remarks: [...header.remarks, ...surplus] };
}

/** Reads the bytes of a header; `headerFor` parses them for a size of the file that holds the voxels. */
async function peekHeader(location: Location, options: Pick<OpenOptions, "label">) {
  const pair = isRemote(location) ? undefined : pairOf(location);
  const label = options.label ?? nameOf(pair?.header ?? location);
  const { head, limit } = await peekBytes(pair?.header ?? location, NIFTI_HEAD_BYTES, { label });
  const allowPair = pair !== undefined;
  return {
    headerFor: (dataFileBytes: number) =>
      readNiftiHeader(head, { source: label, dataFileBytes, allowPair }),
    image: pair?.image ?? location,
    limit: pair ? (await peekBytes(pair.image, 0)).limit : limit,
  };
}

function nameOf(location: Location): string {
  if (location instanceof Uint8Array) return "bytes in memory";
  return isRemote(location) ? String(location) : pathOf(location);
}

/** The byte behind the last voxel. */
function endOf(header: NiftiHeader): number {
  const voxels = voxelCount(header.spatialShape) * header.frames;
  return header.dataOffset + voxels * header.bytesPerVoxel;
}

async function openPair(
  pair: { readonly header: string; readonly image: string },
  options: OpenOptions,
): Promise<BoldRun> {
  const source = options.label ?? pair.header;
  const headerBytes = await openBytes(pair.header, {
    ...options,
    label: source,
    plan: { headBytes: 0, neededBytes: () => NIFTI_HEAD_BYTES },
  });
  const head = new Uint8Array(Math.min(NIFTI_HEAD_BYTES, headerBytes.size));
  headerBytes.readInto(0, head);
  headerBytes.close();
  const headerFor = (dataFileBytes: number) =>
    readNiftiHeader(head, { source, dataFileBytes, allowPair: true });
  const plan = {
    headBytes: 0,
    neededBytes: (_: Uint8Array, size: number) => endOf(headerFor(size)),
  };
  const bytes = await openBytes(pair.image, { ...options, label: pair.image, plan });
  return new LocalRun(bytes, headerFor(bytes.size), source);
}

class LocalRun implements BoldRun {
  readonly source: string;
  readonly spatialShape: SpatialShape;
  readonly frames: number;
  readonly repetitionTime: number | null;
  readonly affine: readonly number[];
  readonly voxelSizes: readonly [number, number, number];
  readonly header: NiftiHeader;
  readonly remarks: readonly string[];
  readonly #bytes: ByteSource;
  readonly #decode: VoxelDecoder;
  readonly #frameBytes: number;
  readonly #inPlace: boolean;
  #scratch: Uint8Array | undefined;

  constructor(bytes: ByteSource, header: NiftiHeader, source = bytes.label) {
    this.source = source;
    this.header = header;
    this.remarks = [...header.remarks, ...bytes.remarks ?? []];
    ({ spatialShape: this.spatialShape, frames: this.frames, affine: this.affine } = header);
    ({ repetitionTime: this.repetitionTime, voxelSizes: this.voxelSizes } = header);
    this.#bytes = bytes;
    this.#decode = voxelDecoder(header);
    this.#frameBytes = voxelCount(header.spatialShape) * header.bytesPerVoxel;
    this.#inPlace = isPlainFloat32(header);
  }

  readFrame(t: number, into?: Float32Array): Float32Array {
    const frame = frameTarget(this, t, into);
    const at = this.header.dataOffset + t * this.#frameBytes;
    if (this.#inPlace) {
      this.#bytes.readInto(at, new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength));
    } else {
      this.#decode(this.#stored(at), frame);
    }
    return frame;
  }

  close(): void {
    this.#bytes.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The stored bytes of the frame that begins at `at`. */
  #stored(at: number): Uint8Array {
    if (this.#bytes.view) return this.#bytes.view(at, this.#frameBytes);
    this.#scratch ??= new Uint8Array(this.#frameBytes);
    this.#bytes.readInto(at, this.#scratch);
    return this.#scratch;
  }
}
