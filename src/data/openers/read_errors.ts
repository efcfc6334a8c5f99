/** Errors that every way of reading bytes shares. */
import { FormatError } from "../../base/errors.ts";

/**
 * The error of reading what was given back.
 *
 * @param label Name for messages.
 */
export function wasClosed(label: string): FormatError {
  return new FormatError(
    label,
    "file.closed",
    `Cannot read "${label}": it was closed; read before close(), or open it again`,
  );
}

/**
 * The error of a source that ends too early.
 *
 * @param label Name for messages.
 * @param bytes Last byte needed, and found.
 */
export function endsEarly(
  label: string,
  bytes: { readonly needed: number; readonly found: number },
): FormatError {
  return new FormatError(
    label,
    "file.end",
    `Cannot read "${label}": it ends at byte ${bytes.found}, needs ${bytes.needed}; was it changed while in use?`,
  );
}
