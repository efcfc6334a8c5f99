/**
 * zlib, as Deno ships it: gzip with several members (the platform's `DecompressionStream` refuses those),
 * output limits, and CRC-32.
 */
export {
  constants,
  crc32,
  createGunzip,
  createGzip,
  gunzipSync,
  type Gzip,
  gzipSync,
} from "node:zlib";
