/** Bytes as text for JSON files. Base64 of RFC 4648, in pieces, so that megabytes pass. */

const PIECE = 3 * 8192;

/**
 * @param bytes Any length.
 * @returns Base64 with padding.
 */
export function bytesToBase64(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let i = 0; i < bytes.length; i += PIECE) {
    pieces.push(btoa(String.fromCharCode(...bytes.subarray(i, i + PIECE))));
  }
  return pieces.join("");
}

/**
 * @param text Base64.
 * @returns The bytes, or null when the text is not base64.
 */
export function bytesFromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
