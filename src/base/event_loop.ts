/**
 * Long computations that only wait for each other never let the event loop turn: a signal, a timer or a message would be heard at
 * their very end.
 */

/** Longest time, in milliseconds, in which nothing else is heard. */
const BUSY_MS = 100;

let turnedAt = 0;

/** Lets the event loop turn once if it has not for a tenth of a second; costs nothing otherwise. */
export async function letOthersRun(): Promise<void> {
  if (performance.now() - turnedAt < BUSY_MS) return;
  // A timer costs a millisecond or two; after setImmediate, which costs nothing, a signal is not always heard.
  await new Promise<void>((resolve) => setTimeout(resolve));
  turnedAt = performance.now();
}
