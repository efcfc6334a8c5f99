/**
 * The two 16-bit floating-point formats of weight files, widened to float32. Every value of either format
 * is exactly representable in float32, so nothing is lost.
 */

/**
 * IEEE 754 binary16 to float32.
 *
 * @param bits Bit patterns: 1 sign, 5 exponent (bias 15), 10 fraction bits.
 * @returns As many float32 values.
 */
export function widenFloat16(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const exponent = (bits[i] >> 10) & 0x1f;
    const fraction = bits[i] & 0x3ff;
    let value: number;
    if (exponent === 0x1f) value = fraction ? NaN : Infinity;
    else if (exponent === 0) value = fraction * 2 ** -24;
    else value = (1 + fraction * 2 ** -10) * 2 ** (exponent - 15);
    values[i] = bits[i] & 0x8000 ? -value : value;
  }
  return values;
}

/**
 * bfloat16 (the upper half of a float32) to float32.
 *
 * @param bits Bit patterns: 1 sign, 8 exponent, 7 fraction bits.
 * @returns As many float32 values.
 */
export function widenBfloat16(bits: Uint16Array): Float32Array {
  const patterns = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) patterns[i] = bits[i] * 0x10000;
  return new Float32Array(patterns.buffer);
}
