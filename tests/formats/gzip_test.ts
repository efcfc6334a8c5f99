import { FormatError } from "../../src/base/errors.ts";
import { gzipSync } from "../../src/deps/node_zlib.ts";
import { assert, assertEquals, assertRejects } from "../../src/deps/std.ts";
import { type FileKind, identifyFile } from "../../src/formats/file_kind.ts";
import { inflate, inflateWhole, isGzip } from "../../src/formats/gzip.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { imageBytes } from "../support/images.ts";

const TEXT = new TextEncoder().encode("latent dynamics ".repeat(5000));

/** Bytes in chunks of that size. */
function* inChunks(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function inflated(bytes: Uint8Array, chunk: number): Promise<Uint8Array> {
  const parts: number[] = [];
  for await (const part of inflate(inChunks(bytes, chunk))) parts.push(...part);
  return Uint8Array.from(parts);
}

Deno.test("gzip: one member, several, and zeros behind the last, in chunks of any size", async () => {
  const members = [TEXT.subarray(0, 9), TEXT.subarray(9, 30000), TEXT.subarray(30000)]
    .map((part) => new Uint8Array(gzipSync(part)));
  const many = Uint8Array.from(members.flatMap((member) => [...member]));
  const padded = Uint8Array.from([...many, ...new Uint8Array(100)]);
  for (const bytes of [new Uint8Array(gzipSync(TEXT)), many, padded]) {
    assert(isGzip(bytes));
    assertEquals(inflateWhole(bytes, { maxBytes: TEXT.length }), TEXT);
    for (const chunk of [1, 7, 1 << 16]) assertEquals(await inflated(bytes, chunk), TEXT);
  }
});

Deno.test("gzip: a file that is cut anywhere ends in an error with its name", async () => {
  const bytes = new Uint8Array(gzipSync(TEXT));
  for (let length = 1; length < bytes.length; length += 13) {
    const cut = inflate(inChunks(bytes.slice(0, length), 1000), { source: "cut.gz" });
    const error = await assertRejects(() => Array.fromAsync(cut), FormatError);
    assertEquals([error.rule, error.source], ["gzip.truncated", "cut.gz"]);
  }
});

Deno.test("gzip: a fault of the source comes through as it is", async () => {
  const failing = async function* () {
    yield gzipSync(TEXT).subarray(0, 50);
    await Promise.resolve();
    throw new TypeError("cable pulled");
  };
  await assertRejects(
    async () => await Array.fromAsync(inflate(failing())),
    TypeError,
    "cable pulled",
  );
});

Deno.test("gzip: stopping early ends the source", async () => {
  let ended = false;
  const source = function* () {
    try {
      const bytes = new Uint8Array(gzipSync(TEXT, { level: 0 }));
      for (;;) yield bytes;
    } finally {
      ended = true;
    }
  };
  for await (const part of inflate(source())) if (part.length > 0) break;
  assert(ended);
});

Deno.test("kinds of files are told by their first bytes", () => {
  const kinds: [FileKind, Uint8Array][] = [
    ["gzip", new Uint8Array(gzipSync(TEXT))],
    ["nifti-1", writeNifti(new Float32Array(1), { spatialShape: [1, 1, 1] })],
    ["nifti-1 pair", imageBytes("niivue_ras.hdr")],
    ["nifti-2 pair", imageBytes("nibabel_nifti2.hdr")],
    ["analyze", imageBytes("nibabel_analyze.hdr")],
    ["safetensors", writeSafetensors([["a", { data: Float32Array.of(1), shape: [] }]])],
    ["zip", new TextEncoder().encode("PK\u0003\u0004")],
    ["hdf5", Uint8Array.of(0x89, 0x48, 0x44, 0x46)],
    ["png", Uint8Array.of(0x89, 0x50, 0x4e, 0x47)],
    ["dicom", Uint8Array.from([...new Uint8Array(128), 0x44, 0x49, 0x43, 0x4d])],
    ["html", new TextEncoder().encode("\n<!DOCTYPE html>")],
    ["empty", new Uint8Array(0)],
    ["unknown", TEXT],
  ];
  for (const [kind, bytes] of kinds) assertEquals(identifyFile(bytes.subarray(0, 352)), kind);
});
