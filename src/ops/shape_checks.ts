/** Shape checks shared by the operations. */
import { ShapeError } from "../base/errors.ts";

/**
 * Compares a shape with a pattern in which −1 fits any length.
 *
 * @param doing What is being done, e.g. `"Convolving"`.
 * @param name Name of the tensor.
 * @param check The tensor's shape, the pattern, and the pattern in words, e.g. `"[N, Z, Y, X, Ci]"`.
 * @throws {ShapeError} when they differ.
 */
export function requireShape(
  doing: string,
  name: string,
  check: { shape: readonly number[]; pattern: readonly number[]; words: string },
): void {
  const { shape, pattern, words } = check;
  const fits = shape.length === pattern.length &&
    pattern.every((n, axis) => n === -1 || n === shape[axis]);
  if (!fits) {
    const filled = `[${pattern.map((n) => n === -1 ? "any" : n).join(", ")}]`;
    throw new ShapeError(
      `${doing}: ${name} has shape [${shape.join(", ")}], needs ${words} = ${filled}`,
      shape,
      words,
    );
  }
}
