/** What the host's WebAssembly can do, found by validating tiny modules: nothing is instantiated. */

/** () → v128: i32.const 0, i8x16.splat three times, one relaxed multiply-add. */
const RELAXED_SIMD = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version 1
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // types: one function () → v128
  ...[0x03, 0x02, 0x01, 0x00], // functions: one of type 0
  ...[0x0a, 0x13, 0x01, 0x11, 0x00], // code: one body of 17 bytes without locals
  ...[0x41, 0x00, 0xfd, 0x0f], // i32.const 0, i8x16.splat
  ...[0x41, 0x00, 0xfd, 0x0f],
  ...[0x41, 0x00, 0xfd, 0x0f],
  ...[0xfd, 0x85, 0x02], // f32x4.relaxed_madd
  0x0b,
]);

/** Whether relaxed SIMD (fused multiply-add) is there. */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED_SIMD);
}

/** Whether shared memory is there; without it the engine cannot run. */
export function hasSharedMemory(): boolean {
  try {
    new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return true;
  } catch {
    return false;
  }
}
