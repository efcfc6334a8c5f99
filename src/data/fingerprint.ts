/**
 * Fingerprints of files: enough to notice that a scan was replaced and to recognise a copy under another
 * name, without reading gigabytes.
 */
import { concatBytes } from "../base/bytes.ts";
import { pairOf } from "./nifti_pair.ts";
import { type ByteSource, fileSource } from "./openers/byte_source.ts";

/** Bytes looked at in one place. */
const BLOCK_BYTES = 4096;
/** Places looked at; a file of at most this many blocks is read whole. */
const BLOCKS = 64;
/** Places follow multiples of this modulo 1: even, and in step with no number of frames. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

/** What is remembered of a file's content. */
export interface Fingerprint {
  /** Size; of an `.hdr`/`.img` pair both files together. */
  readonly bytes: number;
  /** 32 hexadecimal digits. */
  readonly fingerprint: string;
}

/**
 * Takes the fingerprint of a scan or any other file: SHA-256 (its first half) of the size and of 64 blocks of
 * 4 KiB, the first, the last and 62 spread over the file; of files up to 256 KiB every byte counts. Both halves
 * of an `.hdr`/`.img` pair count. Two runs whose borders are empty differ all the same, since most blocks lie
 * inside frames, each at another place of its frame.
 *
 * A change that touches none of the blocks is not noticed; in a compressed file every change moves the checksum
 * in the last block. The same voxels compressed anew are another file.
 *
 * @param path Path of the file.
 * @throws {FormatError} when it cannot be read.
 */
export async function takeFingerprint(path: string): Promise<Fingerprint> {
  const pair = pairOf(path);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (const name of pair ? [pair.header, pair.image] : [path]) {
    const source = fileSource(name);
    try {
      parts.push(new TextEncoder().encode(`${source.size}\n`), ...sampleBlocks(source));
      bytes += source.size;
    } finally {
      source.close();
    }
  }
  const digest = await crypto.subtle.digest("SHA-256", concatBytes(parts));
  const hex = Array.from(
    new Uint8Array(digest, 0, 16),
    (byte) => byte.toString(16).padStart(2, "0"),
  );
  return { bytes, fingerprint: hex.join("") };
}

function sampleBlocks(source: ByteSource): Uint8Array[] {
  if (source.size <= BLOCKS * BLOCK_BYTES) return [readAt(source, 0, source.size)];
  const last = source.size - BLOCK_BYTES;
  const inside = Array.from(
    { length: BLOCKS - 2 },
    (_, i) => Math.floor(((i + 1) * GOLDEN_RATIO % 1) * last),
  );
  return [0, ...inside, last].map((at) => readAt(source, at, BLOCK_BYTES));
}

function readAt(source: ByteSource, at: number, count: number): Uint8Array {
  const block = new Uint8Array(count);
  source.readInto(at, block);
  return block;
}
