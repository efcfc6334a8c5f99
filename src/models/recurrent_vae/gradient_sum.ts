/**
 * Gradients added up chunk by chunk, always in the order they come, so that a step's bits depend on its
 * chunking only.
 */
import { tf } from "../../deps/tfjs.ts";
import type { Gradients } from "./norm.ts";

/** A sum per parameter. */
export class GradientSum {
  readonly #sums: Gradients = new Map();

  /** Adds terms by parameter name and takes them over. */
  add(terms: Readonly<Record<string, tf.Tensor>>): void {
    for (const [key, term] of Object.entries(terms)) {
      const before = this.#sums.get(key);
      if (before) {
        this.#sums.set(key, tf.add(before, term));
        before.dispose();
        term.dispose();
      } else this.#sums.set(key, term);
    }
  }

  /** Hands one sum over, if there is one. */
  release(key: string): tf.Tensor | undefined {
    const sum = this.#sums.get(key);
    this.#sums.delete(key);
    return sum;
  }

  /** Hands the sums over in the order of `keys`. */
  take(keys: readonly string[]): Gradients {
    const taken: Gradients = new Map(keys.map((key) => [key, this.#sums.get(key)!]));
    this.#sums.clear();
    return taken;
  }

  /** Frees the sums. */
  dispose(): void {
    tf.dispose([...this.#sums.values()]);
    this.#sums.clear();
  }
}
