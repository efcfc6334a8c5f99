/** safetensors files made by hand, so that the reader meets headers its own writer would never produce. */

/** A file from a header (an object, or raw JSON text) and data bytes. */
export function safetensorsFile(
  header: Record<string, unknown> | string,
  data: Uint8Array = new Uint8Array(0),
  headerBytes?: bigint,
): Uint8Array {
  const json = new TextEncoder().encode(
    typeof header === "string" ? header : JSON.stringify(header),
  );
  const file = new Uint8Array(8 + json.length + data.length);
  new DataView(file.buffer).setBigUint64(0, headerBytes ?? BigInt(json.length), true);
  file.set(json, 8);
  file.set(data, 8 + json.length);
  return file;
}
