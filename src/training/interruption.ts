/**
 * A polite stop: the first signal asks training to finish the batch in progress, save and end; a Ctrl-C after it
 * quits at once. Other signals are not repeated by impatient people but by systems that send several. Where signals come from and how to quit is given, so that nothing here knows the system.
 */

/** Where signals come from and what to do with them. */
export interface SignalSource {
  /** Calls `listener` with the name of every signal; gives a function that ends that. */
  subscribe(listener: (name: string) => void): () => void;
  /** Quits at once. */
  quit(): void;
  /** Tells the user what happens now. */
  notify(message: string): void;
}

/** Signal of Ctrl-C. */
const CTRL_C = "SIGINT";

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
 *     const heard = () => listener("SIGINT");
 *     Deno.addSignalListener("SIGINT", heard);
 *     return () => Deno.removeSignalListener("SIGINT", heard);
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

  /**
   * Starts listening.
   *
   * @param source Where signals come from.
   */
  constructor(source: SignalSource) {
    this.#unsubscribe = source.subscribe((name) => {
      if (this.signal.aborted) return name === CTRL_C ? source.quit() : undefined;
      this.#controller.abort(name);
      source.notify(STOPPING_MESSAGE);
    });
  }

  /** Aborted from the first signal on, its name as the reason; pass it to `fit`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the listening: a further signal has its usual effect. */
  [Symbol.dispose](): void {
    this.#unsubscribe();
  }
}
