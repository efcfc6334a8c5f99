/** The bound on log-variances [recurrent-vae §16.3]: the identity on [−9, 3], and less than one step beyond either end. */

/** Ends of the identity. */
const [LOW, HIGH] = [-9, 3];

/** ℓ of ℓ̃: above 3, 3 + u/(1 + u) with u = ℓ̃ − 3; below −9 likewise; always between −10 and 4. */
export function bound(raw: number): number {
  if (raw > HIGH) return HIGH + (raw - HIGH) / (1 + raw - HIGH);
  if (raw < LOW) return LOW - (LOW - raw) / (1 + LOW - raw);
  return raw;
}

/** Its derivative: 1 on [−9, 3], 1/(1 + u)² beyond. */
export function boundSlope(raw: number): number {
  const beyond = Math.max(raw - HIGH, LOW - raw, 0);
  return 1 / (1 + beyond) ** 2;
}
