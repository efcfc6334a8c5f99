/** Signals that ask the program to stop, and the exit codes shells know them by. */

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Ctrl-C, a request to end, and the end of the terminal. */
export type StopSignal = keyof typeof EXIT_CODES;

/** Windows knows no other that a program could hear. */
const HEARD: readonly StopSignal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** Exit code of a program that a signal ended: 128 and its number. */
export function exitCodeOfSignal(name: StopSignal): number {
  return EXIT_CODES[name];
}

/**
 * Listens for all of them.
 *
 * @param listener Receives the name.
 * @returns Ends the listening; a further signal has its usual effect.
 */
export function onStopSignals(listener: (name: StopSignal) => void): () => void {
  const handlers = HEARD.map((name) => [name, () => listener(name)] as const);
  for (const [name, handler] of handlers) Deno.addSignalListener(name, handler);
  return () => {
    for (const [name, handler] of handlers) Deno.removeSignalListener(name, handler);
  };
}
