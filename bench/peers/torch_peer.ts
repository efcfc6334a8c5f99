/**
 * The training step in PyTorch (torch_step.py), running in a process of its own so that its steps can be alternated
 * with ours. PyTorch is never required: where it is missing the reason is printed and there is no peer.
 */
import type { SpatialShape } from "../../src/base/arrays.ts";
import { type LinePeer, startPeer } from "./child_lines.ts";

/** Exit status of torch_step.py without PyTorch. */
const NOT_INSTALLED = 77;

/** What to run. */
export interface TorchOptions {
  /** Program name or path of a Python. */
  readonly python: string;
  readonly device?: "cpu" | "cuda";
  readonly batch: number;
  readonly frames: number;
  readonly spatial: SpatialShape;
  /** Threads; 0 leaves the choice to PyTorch. */
  readonly threads: number;
  /** Through `torch.compile`; takes a minute to start. */
  readonly compile?: boolean;
  /** Frames contiguous in memory instead of time last, as the original has them. */
  readonly frameMajor?: boolean;
}

/** What the peer says about itself. */
export interface TorchDescription {
  /** Version of PyTorch. */
  readonly version: string;
  /** `"eager"` or `"compiled"`, and how frames lie if not time last. */
  readonly mode: string;
  /** `"cpu"` or the name of the GPU. */
  readonly device: string;
  readonly threads: number;
}

/** A peer that has done its warm-up step. */
export interface TorchPeer {
  readonly description: TorchDescription;
  /** Runs one step: milliseconds by PyTorch's own clock, and the loss. */
  step(): Promise<{ readonly ms: number; readonly loss: number }>;
  /**
   * Ends it.
   *
   * @returns Its peak resident memory in MiB.
   */
  stop(): Promise<number>;
}

/**
 * Starts the peer and waits for its warm-up step.
 *
 * @param options See {@link TorchOptions}.
 * @returns Null, after saying why, when it cannot run.
 */
export async function startTorchPeer(options: TorchOptions): Promise<TorchPeer | null> {
  const { python } = options;
  const peer = startPeer(python, [
    new URL("torch_step.py", import.meta.url).pathname,
    ...flagsOf(options),
  ]);
  if (peer === null) return skipped(`there is no program "${python}"`);
  const greeting = await peer.next();
  if (greeting === null) return skipped(await reasonOf(peer, python));
  const { version, mode, device, threads } = greeting as unknown as TorchDescription;
  let memory = 0;
  return {
    description: { version, mode, device, threads },
    async step() {
      const answer = await peer.ask();
      if (answer === null) throw new Error(`the PyTorch peer ended: ${peer.complaints()}`);
      memory = Number(answer.rss_mib_peak);
      return { ms: Number(answer.ms), loss: Number(answer.loss) };
    },
    async stop() {
      await peer.stop();
      return memory;
    },
  };
}

function flagsOf(options: TorchOptions): string[] {
  const { batch, frames, spatial, threads, device = "cpu", compile, frameMajor } = options;
  const values = { batch, frames, spatial: spatial.join(","), threads, device };
  return [
    "--serve",
    ...Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...(compile ? ["--compile"] : []),
    ...(frameMajor ? ["--frame-major"] : []),
  ];
}

async function reasonOf(peer: LinePeer, python: string): Promise<string> {
  const status = await peer.stop();
  if (status === NOT_INSTALLED) return `"${python}" has no PyTorch`;
  return peer.complaints().split("\n").at(-1) || `"${python}" ended with status ${status}`;
}

function skipped(why: string): null {
  console.log(
    `\n!!! SKIPPED PyTorch: ${why}; install it (pip install torch) and name its Python with --python`,
  );
  return null;
}
