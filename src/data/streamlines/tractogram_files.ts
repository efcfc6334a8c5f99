/** Tractograms in files: `.trk`, `.tck` (both also gzipped) and `.trx`, a file or a folder. */
import { ConfigError, FormatError } from "../../base/errors.ts";
import { gzipSync } from "../../deps/node_zlib.ts";
import { writeWhole } from "../../files/whole_file.ts";
import { inflate, isGzip } from "../../formats/gzip.ts";
import { TckReader, writeTck } from "../../formats/tck.ts";
import {
  joinTractograms,
  type StreamlineReader,
  type Tractogram,
} from "../../formats/tractogram.ts";
import { type TrkOrigin, TrkReader } from "../../formats/trk.ts";
import { writeTrk } from "../../formats/trk_write.ts";
import { readTrx, readTrxMembers } from "../../formats/trx.ts";
import { writeTrx } from "../../formats/trx_write.ts";
import { fileSource, readHead } from "../openers/byte_source.ts";
import { directoryNames, fileExists } from "../openers/directory.ts";
import { readRegularFile } from "../openers/regular_file.ts";

/** Options of {@link readTractogram}. */
export interface TractogramReadOptions {
  /** Where (0, 0, 0) of a `.trk` file lies; default `"corner"`, as the format says. */
  readonly trkOrigin?: TrkOrigin;
}

/** Kinds of tractograms by the ending of their names. */
export type TractogramKind = "trk" | "tck" | "trx";

/** Endings that {@link writeTractogram} knows. */
export const TRACTOGRAM_ENDINGS = [".trk", ".tck", ".trx", ".trk.gz", ".tck.gz"] as const;

const CHUNK_BYTES = 2 ** 20;

/**
 * What kind of tractogram a file's name says.
 *
 * @param path Its path.
 * @returns Undefined when it is none.
 */
export function tractogramKind(path: string): TractogramKind | undefined {
  const found = /\.(trk|tck|trx)(\.gz)?\/?$/i.exec(path);
  const kind = found?.[1].toLowerCase() as TractogramKind | undefined;
  return kind === "trx" && found?.[2] ? undefined : kind;
}

/**
 * Reads a tractogram.
 *
 * @param path A `.trk`, `.tck`, `.trk.gz`, `.tck.gz` or `.trx` file, or a folder of TRX arrays.
 * @param options See {@link TractogramReadOptions}.
 * @throws {FormatError} when it is damaged, cut off or of another kind; nothing shorter is returned.
 */
export async function readTractogram(
  path: string,
  options: TractogramReadOptions = {},
): Promise<Tractogram> {
  const parts: Tractogram[] = [];
  for await (const part of streamTractogram(path, options)) parts.push(part);
  return { ...joinTractograms(parts), remarks: parts.at(-1)!.remarks };
}

/**
 * Reads a tractogram in parts of about a megabyte; a `.trx` comes as one.
 *
 * @param path As of {@link readTractogram}.
 * @param options See {@link TractogramReadOptions}.
 * @returns At least one part, the last with the remarks; the whole is read only when the last has come.
 * @throws {FormatError} as {@link readTractogram}.
 */
export async function* streamTractogram(
  path: string,
  options: TractogramReadOptions = {},
): AsyncGenerator<Tractogram, void, undefined> {
  const kind = tractogramKind(path) ?? (fileExists(`${path}/header.json`) ? "trx" : undefined);
  if (!kind) {
    throw new FormatError(
      path,
      "tractogram.kind",
      `Cannot read "${path}" as streamlines: needs a name that ends with ${
        TRACTOGRAM_ENDINGS.join(", ")
      }, or a folder of TRX arrays`,
    );
  }
  if (kind === "trx") {
    yield fileExists(`${path}/header.json`)
      ? readTrxMembers(folderMembers(path), path)
      : readTrx(readRegularFile(path), { source: path });
    return;
  }
  yield* streamFile(path, kind, options);
}

async function* streamFile(
  path: string,
  kind: "trk" | "tck",
  { trkOrigin }: TractogramReadOptions,
): AsyncGenerator<Tractogram, void, undefined> {
  const source = fileSource(path);
  try {
    const packed = isGzip(readHead(source, 2));
    const chunks = chunksOf(source);
    const size = packed ? undefined : source.size;
    const reader: StreamlineReader & Pick<TrkReader | TckReader, "header"> = kind === "trk"
      ? new TrkReader({ source: path, size, origin: trkOrigin })
      : new TckReader({ source: path, size });
    for await (const chunk of packed ? inflate(chunks, { source: path }) : chunks) {
      const part = reader.push(chunk);
      if (part) yield part;
    }
    reader.finish();
    // An empty part at the end brings what is known only then, and stands for a file without streamlines.
    yield { points: new Float32Array(0), offsets: new Uint32Array(1), ...closing(reader) };
  } finally {
    source.close();
  }
}

function closing(reader: unknown): Pick<Tractogram, "space" | "remarks"> {
  if (reader instanceof TrkReader) {
    return { space: reader.header!.space, remarks: reader.header!.remarks };
  }
  return { remarks: (reader as TckReader).remarks };
}

function* chunksOf(source: ReturnType<typeof fileSource>): Generator<Uint8Array> {
  for (let at = 0; at < source.size; at += CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, source.size - at));
    source.readInto(at, chunk);
    yield chunk;
  }
}

/** Files of a TRX folder, two levels below it at most. */
function folderMembers(folder: string) {
  const members = new Map<string, { size: number; read(): Uint8Array }>();
  const add = (inside: string, depth: number) => {
    for (const name of directoryNames(`${folder}/${inside}`)) {
      const path = `${folder}/${inside}${name}`;
      if (fileExists(path)) {
        const source = fileSource(path);
        const { size } = source;
        source.close();
        members.set(inside + name, { size, read: () => readRegularFile(path) });
      } else if (depth < 2) add(`${inside}${name}/`, depth + 1);
    }
  };
  add("", 0);
  return members;
}

/**
 * The bytes of a tractogram in the format that a name asks for.
 *
 * @param tractogram The streamlines; `.trk` and `.trx` need the space of an image.
 * @param path A name that ends with `.trk`, `.tck` or `.trx`; the first two also with `.gz` behind.
 * @throws {ConfigError} for another ending, or without a space where one is needed.
 */
export function tractogramBytes(tractogram: Tractogram, path: string): Uint8Array {
  const kind = tractogramKind(path);
  if (!kind) {
    throw new ConfigError(
      "path",
      `Cannot write "${path}": needs a name that ends with ${TRACTOGRAM_ENDINGS.join(", ")}`,
    );
  }
  const write = { trk: writeTrk, tck: writeTck, trx: writeTrx }[kind];
  const bytes = write(tractogram);
  return /\.gz$/i.test(path) ? new Uint8Array(gzipSync(bytes)) : bytes;
}

/**
 * Writes a tractogram whole or not at all.
 *
 * @param path As of {@link tractogramBytes}.
 * @param tractogram The streamlines.
 * @throws {ConfigError} as {@link tractogramBytes}.
 * @throws {WriteError} when the disk refuses.
 */
export function writeTractogram(path: string, tractogram: Tractogram): void {
  writeWhole(path, tractogramBytes(tractogram, path));
}
