/** A peer in a process of its own that answers in lines of JSON. */

/** A running peer. */
export interface LinePeer {
  /** Waits for the next line; null when the peer has ended. */
  next(): Promise<Record<string, unknown> | null>;
  /** Sends an empty line, which asks for the next answer, and waits for it. */
  ask(): Promise<Record<string, unknown> | null>;
  /**
   * Ends it.
   *
   * @returns Its exit status.
   */
  stop(): Promise<number>;
  /** The last lines it wrote to standard error. */
  complaints(): string;
}

/**
 * Starts a peer. Needs `--allow-run`.
 *
 * @param program Name or path.
 * @param args Its arguments.
 * @returns Null when there is no such program.
 */
export function startPeer(program: string, args: readonly string[]): LinePeer | null {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (fault) {
    if (fault instanceof Deno.errors.NotFound) return null;
    throw fault;
  }
  const lines = linesOf(child.stdout);
  const input = child.stdin.getWriter();
  let errors = "";
  const collected = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      errors = (errors + text).slice(-2000);
    }
  })();
  const next = async () => {
    const { value, done } = await lines.next();
    return done ? null : JSON.parse(value);
  };
  return {
    next,
    async ask() {
      await input.write(new Uint8Array([10]));
      return await next();
    },
    async stop() {
      await input.close().catch(() => {}); // it may have ended by itself
      const { code } = await child.status;
      await collected;
      return code;
    },
    complaints: () => errors.trim(),
  };
}

/** The lines of a stream of UTF-8 text, without their ends. */
export async function* linesOf(bytes: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream() as ReadableWritablePair)) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
