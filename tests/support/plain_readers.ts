/**
 * Second readers of NIfTI and safetensors, written from the formats' descriptions, element by element and
 * without looking at the library's: what an accepted mutant has to decode to.
 */

/** Shape and values of a single-file NIfTI image as its header describes it; nothing is validated. */
export function plainNifti(bytes: Uint8Array): { shape: number[]; values: number[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const two = bytes[4] === 0x6e && bytes[5] === 0x2b && bytes[6] === 0x32;
  const little = view.getInt32(0, true) === (two ? 540 : 348);
  const dim = (axis: number) =>
    two ? Number(view.getBigInt64(16 + 8 * axis, little)) : view.getInt16(40 + 2 * axis, little);
  const shape = [dim(1), dim(2), dim(3), dim(0) > 3 ? dim(4) : 1];
  const datatype = view.getInt16(two ? 12 : 70, little);
  const start = two ? Number(view.getBigInt64(168, little)) : view.getFloat32(108, little);
  let slope = two ? view.getFloat64(176, little) : view.getFloat32(112, little);
  let intercept = two ? view.getFloat64(184, little) : view.getFloat32(116, little);
  if (slope === 0 || Number.isNaN(slope)) [slope, intercept] = [1, 0];
  const readers: Record<number, [number, (at: number) => number]> = {
    2: [1, (at) => view.getUint8(at)],
    4: [2, (at) => view.getInt16(at, little)],
    8: [4, (at) => view.getInt32(at, little)],
    16: [4, (at) => view.getFloat32(at, little)],
    64: [8, (at) => view.getFloat64(at, little)],
    256: [1, (at) => view.getInt8(at)],
    512: [2, (at) => view.getUint16(at, little)],
    768: [4, (at) => view.getUint32(at, little)],
    1024: [8, (at) => Number(view.getBigInt64(at, little))],
    1280: [8, (at) => Number(view.getBigUint64(at, little))],
  };
  const [width, read] = readers[datatype];
  const count = shape.reduce((product, n) => product * n, 1);
  const values = Array.from(
    { length: count },
    (_, i) => Math.fround(read(start + i * width) * slope + intercept),
  );
  return { shape, values };
}

/** Names, shapes and values (as text, so that NaN and big integers compare) of a safetensors file. */
export function plainSafetensors(bytes: Uint8Array): Record<string, string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)));
  const found: Record<string, string> = {};
  for (const [name, entry] of Object.entries<Record<string, unknown>>(header)) {
    if (name === "__metadata__") continue;
    const [begin, end] = entry.data_offsets as [number, number];
    const [width, read] = elementReader(entry.dtype as string, view);
    const values: string[] = [];
    for (let at = begin; at < end; at += width) values.push(read(8 + headerBytes + at));
    found[name] = `${entry.shape}: ${values}`;
  }
  return found;
}

function elementReader(dtype: string, view: DataView): [number, (at: number) => string] {
  const readers: Record<string, [number, (at: number) => string]> = {
    F64: [8, (at) => `${view.getFloat64(at, true)}`],
    F32: [4, (at) => `${view.getFloat32(at, true)}`],
    F16: [2, (at) => `${half(view.getUint16(at, true), 5)}`],
    BF16: [2, (at) => `${half(view.getUint16(at, true), 8)}`],
    I64: [8, (at) => `${view.getBigInt64(at, true)}`],
    U64: [8, (at) => `${view.getBigUint64(at, true)}`],
    I32: [4, (at) => `${view.getInt32(at, true)}`],
    U32: [4, (at) => `${view.getUint32(at, true)}`],
    I16: [2, (at) => `${view.getInt16(at, true)}`],
    U16: [2, (at) => `${view.getUint16(at, true)}`],
    I8: [1, (at) => `${view.getInt8(at)}`],
    U8: [1, (at) => `${view.getUint8(at)}`],
    BOOL: [1, (at) => `${view.getUint8(at)}`],
  };
  return readers[dtype];
}

/** A 16-bit float with that many exponent bits. */
function half(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const fraction = bits % 2 ** fractionBits;
  const exponent = Math.floor(bits / 2 ** fractionBits) % 2 ** exponentBits;
  const sign = bits >= 0x8000 ? -1 : 1;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction ? NaN : sign * Infinity;
  const significand = fraction / 2 ** fractionBits + (exponent === 0 ? 0 : 1);
  return sign * significand * 2 ** (Math.max(1, exponent) - bias);
}
