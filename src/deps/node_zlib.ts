/**
 * zlib, as Deno ships it: deflate streams whose end is known (the platform's `DecompressionStream` does not tell),
 * output limits, and CRC-32.
 */
export {
  constants,
  crc32,
  createGzip,
  createInflateRaw,
  gunzipSync,
  type Gzip,
  gzipSync,
  type InflateRaw,
  inflateRawSync,
} from "node:zlib";
