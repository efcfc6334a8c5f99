/** The integer-hash numbers that full.safetensors is generated from (manifest, "generator"). */

/** 32-bit mixing function. */
export function hash32(value: number): number {
  let x = value >>> 0;
  x = (x ^ (x >>> 16)) >>> 0;
  x = Math.imul(x, 0x7feb352d) >>> 0;
  x = (x ^ (x >>> 15)) >>> 0;
  x = Math.imul(x, 0x846ca68b) >>> 0;
  return (x ^ (x >>> 16)) >>> 0;
}

/** U(i, seed), uniform on (−1, 1), exact in float64. */
export function uniformAt(i: number, seed: number): number {
  return (hash32((i + Math.imul(seed, 0x9e3779b1)) >>> 0) + 0.5) / 2147483648 - 1;
}

/** offset + scale·U(i, seed) for i = 0 … count − 1, rounded to float32. */
export function hashedArray(
  count: number,
  { seed, offset = 0, scale }: { seed: number; offset?: number; scale: number },
): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => offset + scale * uniformAt(i, seed));
}
