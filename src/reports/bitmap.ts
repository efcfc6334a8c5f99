/** Grey pictures as data URLs: an uncompressed 8-bit BMP, which every browser shows and needs no codec. */
import type { FloatArray } from "../base/arrays.ts";

/** Sizes of the two BMP headers and the grey palette, in bytes. */
const FILE_HEADER = 14;
const INFO_HEADER = 40;
const PALETTE_BYTES = 4 * 256;

/**
 * Makes a picture of a slice. Row 0 of the slice is the bottom row of the picture, as BMP stores it.
 *
 * @param values Row-major, `width` values a row.
 * @param width Columns.
 * @param range Values shown black and white; what lies beyond is clipped, NaN is black.
 * @returns `data:image/bmp;base64,…`
 */
export function greyBitmap(
  values: FloatArray,
  width: number,
  range: readonly [black: number, white: number],
): string {
  const height = values.length / width;
  const stride = Math.ceil(width / 4) * 4;
  const pixels = FILE_HEADER + INFO_HEADER + PALETTE_BYTES;
  const bytes = new Uint8Array(pixels + stride * height);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]); // "BM"
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, pixels, true);
  view.setUint32(14, INFO_HEADER, true);
  view.setInt32(18, width, true);
  view.setInt32(22, height, true);
  view.setUint16(26, 1, true); // planes
  view.setUint16(28, 8, true); // bits per pixel
  for (let i = 0; i < 256; i++) bytes.fill(i, 54 + 4 * i, 54 + 4 * i + 3);
  const scale = 255 / (range[1] - range[0]);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const grey = Math.round((values[row * width + column] - range[0]) * scale);
      bytes[pixels + row * stride + column] = Math.max(0, Math.min(255, grey || 0));
    }
  }
  let binary = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return `data:image/bmp;base64,${btoa(binary)}`;
}
