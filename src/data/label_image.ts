/**
 * Tells masks and label images from scans by their voxels: few whole numbers, in patches. One given as a scan
 * trains without an error and teaches the model nothing.
 */

/** Different values beyond which an image is taken for a scan; atlases have up to a thousand labels. */
const MOST_LABELS = 1024;
/** Neighbours compared before patches are believed. */
const LEAST_PAIRS = 100;
/** Share of equal neighbours in patches; in scans whose voxels are whole numbers it is a few per cent. */
const PATCHY = 0.5;

/** Watches voxels until they cannot be labels; of a scan that is soon. */
export class LabelWatch {
  #values: Set<number> | undefined = new Set();
  #pairs = 0;
  #equal = 0;

  /**
   * Looks at a frame.
   *
   * @param frame `[Z, Y, X]`.
   */
  add(frame: Float32Array): void {
    if (!this.#values) return;
    // Background says nothing: 0, and whatever the corner has.
    const corner = frame[0];
    let before = 0;
    for (const value of frame) {
      if (value !== before) {
        if (!Number.isInteger(value) || this.#values.size > MOST_LABELS) {
          this.#values = undefined;
          return;
        }
      }
      this.#values.add(value);
      if (before !== 0 && before !== corner && value !== 0 && value !== corner) {
        this.#pairs++;
        if (value === before) this.#equal++;
      }
      before = value;
    }
  }

  /** What the image looks like, with its article, or undefined when it may be a scan. */
  verdict(): string | undefined {
    const count = this.#values?.size ?? Infinity;
    if (count === 2) {
      const [low, high] = [...this.#values!].sort((a, b) => a - b);
      return `a mask: all its voxels are ${low} or ${high}`;
    }
    const patchy = this.#pairs >= LEAST_PAIRS && this.#equal > PATCHY * this.#pairs;
    if (count < 2 || count > MOST_LABELS || !patchy) return undefined;
    return `a label image: its voxels are ${count} whole numbers, in patches`;
  }
}
