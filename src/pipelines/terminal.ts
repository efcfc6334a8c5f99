/** Standard error during training. Nobody watching, a closed terminal or pipe, is no reason to end a training. */

/** Prints a line. */
export function say(line: string): void {
  writeError(line + "\n");
}

/** Writes text as it is. */
export function writeError(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  } catch { /* see above */ }
}

/** Standard error as a place for progress. */
export function standardError() {
  const terminal = Deno.stderr.isTerminal();
  return { write: writeError, terminal, columns: terminal ? Deno.consoleSize().columns : 80 };
}
