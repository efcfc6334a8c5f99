/**
 * Broadcasting as rows and columns: the result is `[outer, inner]`, and along each of the two an operand either
 * advances or stays. Covers equal shapes, scalars, trailing vectors and leading columns.
 */

/** How two operands are read; strides in values. */
export interface BroadcastRows {
  /** Shape of the result. */
  readonly shape: number[];
  readonly strides: {
    readonly outer: number;
    readonly inner: number;
    readonly aOuter: number;
    readonly aInner: number;
    readonly bOuter: number;
    readonly bInner: number;
  };
}

/** Which operands advance along an axis. */
type Advance = "both" | "a" | "b";

/** The plan, or null when the two shapes need more than two runs of axes (or do not fit at all). */
export function broadcastRows(a: readonly number[], b: readonly number[]): BroadcastRows | null {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  const runs: { advance: Advance; length: number }[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const na = a[axis - rank + a.length] ?? 1;
    const nb = b[axis - rank + b.length] ?? 1;
    if (na !== nb && na !== 1 && nb !== 1) return null;
    const length = na === 1 ? nb : na;
    shape.push(length);
    if (length === 1) continue;
    const advance: Advance = na === nb ? "both" : na === 1 ? "b" : "a";
    const last = runs[runs.length - 1];
    if (last?.advance === advance) last.length *= length;
    else runs.push({ advance, length });
  }
  if (runs.length > 2) return null;
  const none = { advance: "both" as Advance, length: 1 };
  const [outer, inner] = runs.length === 2 ? runs : [none, runs[0] ?? none];
  const advancing = (operand: Advance, run: { advance: Advance }) =>
    run.advance === "both" || run.advance === operand ? 1 : 0;
  const strideOf = (operand: Advance) => ({
    outer: advancing(operand, outer) * (advancing(operand, inner) === 1 ? inner.length : 1),
    inner: advancing(operand, inner),
  });
  const [strideA, strideB] = [strideOf("a"), strideOf("b")];
  return {
    shape,
    strides: {
      outer: outer.length,
      inner: inner.length,
      aOuter: strideA.outer,
      aInner: strideA.inner,
      bOuter: strideB.outer,
      bInner: strideB.inner,
    },
  };
}
