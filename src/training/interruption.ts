/**
 * A polite stop on Ctrl-C: the first signal asks training to finish the batch in progress, save and end; the second
 * quits at once. Where signals come from and how to quit is given, so that nothing here knows the system.
 */

/** Where signals come from and what to do with them. */
export interface SignalSource {
  /** Calls `listener` at every signal; gives a function that ends that. */
  subscribe(listener: () => void): () => void;
  /** Quits at once. */
  quit(): void;
  /** Tells the user what happens now. */
  notify(message: string): void;
}

/** Text shown at the first signal. */
export const STOPPING_MESSAGE =
  "Stopping after the batch in progress and saving a checkpoint; Ctrl-C again quits at once.";

/**
 * Listens for as long as it is in scope.
 *
 * @example
 * ```ts
 * using interruption = new Interruption({
 *   subscribe: (listener) => {
 *     Deno.addSignalListener("SIGINT", listener);
 *     return () => Deno.removeSignalListener("SIGINT", listener);
 *   },
 *   quit: () => Deno.exit(130),
 *   notify: (message) => console.error(message),
 * });
 * // await fit(model, loader, { signal: interruption.signal });
 * if (interruption.signal.aborted) throw new Error("not interrupted yet");
 * ```
 */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #unsubscribe: () => void;

  /** Starts listening. @param source Where signals come from. */
  constructor(source: SignalSource) {
    this.#unsubscribe = source.subscribe(() => {
      if (this.signal.aborted) return source.quit();
      this.#controller.abort();
      source.notify(STOPPING_MESSAGE);
    });
  }

  /** Aborted from the first signal on; pass it to `fit`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the listening: a further signal has its usual effect. */
  [Symbol.dispose](): void {
    this.#unsubscribe();
  }
}
