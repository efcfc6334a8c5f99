/**
 * The words through which the main thread and its workers talk, in one small shared Int32Array.
 *
 * Protocol. The gate is a counter: odd = a job is open, even = closed. A worker that sees it change adds
 * itself to ACTIVE, looks again, and takes slices only while the gate is odd. The main thread closes the
 * gate once all slices are handed out and waits for ACTIVE to be 0. A worker that comes late finds the gate
 * even (or the next job open) and never touches a job that has ended, because it counted itself in
 * before it looked.
 */

/** Indices into the control array. Words that different threads write stand on different cache lines. */
export const CONTROL = {
  gate: 0,
  next: 16,
  active: 32,
  sleepers: 48,
  mainSleeps: 49,
  /** The open job: written by the main thread before the gate opens. */
  kernel: 64,
  parameters: 65,
  slices: 66,
  slicesPerGrab: 67,
  scratch: 68,
  scratchStride: 69,
  stop: 80,
  ready: 96,
  /** 0, or 1 + number of the thread that failed. */
  failure: 112,
  failureLength: 113,
  /** UTF-16 units of the failure's message, one per word. */
  failureText: 128,
} as const;

/** Longest failure message kept, in UTF-16 units. */
export const FAILURE_TEXT_LENGTH = 256;

/** Words of the control array. */
export const CONTROL_WORDS = CONTROL.failureText + FAILURE_TEXT_LENGTH;

/** What a worker is started with. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Number of this thread: 1, 2, … (the main thread is 0). */
  readonly thread: number;
  /** Top of this thread's stack in the memory, in bytes. */
  readonly stackTop: number;
  /** How long to look at the gate before falling asleep, in milliseconds. */
  readonly spinTime: number;
  /** {@link CONTROL}, because a worker's source imports nothing. */
  readonly words: typeof CONTROL;
  readonly failureTextLength: number;
}

/** A kernel as every thread calls it: slices `begin <= s < end` of the job behind `parameters`. */
export type KernelExport = (
  parameters: number,
  begin: number,
  end: number,
  scratch: number,
) => void;
