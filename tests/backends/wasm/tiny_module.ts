/** A WebAssembly module of one kernel, assembled by hand, for tests of the pool. */

/** Body of (parameters, begin, end, scratch): for s in begin … end, memory[parameters + 4s] += 1. */
const COUNT = [
  ...[0x03, 0x40], // loop
  ...[0x20, 0x01, 0x20, 0x02, 0x48], // begin < end
  ...[0x04, 0x40], // if
  ...[0x20, 0x00, 0x20, 0x01, 0x41, 0x02, 0x74, 0x6a], // parameters + (begin << 2)
  ...[0x41, 0x01, 0xfe, 0x1e, 0x02, 0x00, 0x1a], // i32.atomic.rmw.add 1, drop
  ...[0x20, 0x01, 0x41, 0x01, 0x6a, 0x21, 0x01], // begin += 1
  ...[0x0c, 0x01], // continue the loop
  0x0b,
  0x0b,
];

/** Traps when the stack pointer is not 0, that is, on threads whose stack was set: the workers. */
const TRAP_ON_WORKERS = [0x23, 0x00, 0x04, 0x40, 0x00, 0x0b];

/**
 * The module: imports env.memory (shared, at most 65536 pages), exports the kernel, then its stack pointer.
 *
 * @param options.trapOnWorkers Whether the kernel fails on worker threads.
 */
export function moduleWith(options: { trapOnWorkers: boolean }): Uint8Array<ArrayBuffer> {
  const body = [0x00, ...(options.trapOnWorkers ? TRAP_ON_WORKERS : []), ...COUNT, 0x0b];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [0x01, 0x60, 0x04, 0x7f, 0x7f, 0x7f, 0x7f, 0x00]),
    ...section(2, [0x01, ...name("env"), ...name("memory"), 0x02, 0x03, 0x01, 0x80, 0x80, 0x04]),
    ...section(3, [0x01, 0x00]),
    ...section(6, [0x01, 0x7f, 0x01, 0x41, 0x00, 0x0b]),
    ...section(7, [0x02, ...name("count"), 0x00, 0x00, ...name("__stack_pointer"), 0x03, 0x00]),
    ...section(10, [0x01, body.length, ...body]),
  ]);
}

function section(id: number, bytes: readonly number[]): number[] {
  return [id, bytes.length, ...bytes];
}

function name(text: string): number[] {
  return [text.length, ...new TextEncoder().encode(text)];
}
