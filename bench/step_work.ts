/**
 * What one training step asks of the machine: multiply–adds and bytes of all kernels that it really runs, counted
 * from the shapes of their arguments. With the machine's ceilings this gives the floor under its time.
 */
import { KERNEL } from "../src/backends/kernel_contract.ts";
import { tf } from "../src/deps/tfjs.ts";
import { prepareStep, type StepProblem } from "./training_step.ts";

type Shape = readonly number[];

/** Work of one step. */
export interface StepWork {
  /** Multiply–adds of convolutions and matrix products, recomputed ones included, in the direct sum. */
  readonly multiplyAdds: number;
  /** Bytes of the arguments and results of all kernels: each is read or written at least once. */
  readonly bytes: number;
  /** The same by kernel, the largest first. */
  readonly byKernel: readonly KernelWork[];
}

/** Calls of one kernel in a step. */
export interface KernelWork {
  readonly kernel: string;
  readonly calls: number;
  readonly multiplyAdds: number;
  readonly bytes: number;
}

/** Kernels that hand on their argument's memory; "unnamed scope" is how the profile calls gradient functions. */
const WITHOUT_TRAFFIC = new Set(["Identity", "Reshape", "Cast", "ExpandDims", "unnamed scope"]);

function size(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Elements of the filter `[kz, ky, kx, Ci, Co]` per output channel. */
function taps([z, y, x, channels]: Shape): number {
  return z * y * x * channels;
}

function multiplyAddsOf(name: string, inputs: readonly Shape[], output: Shape): number {
  switch (name) {
    case KERNEL.conv3d: // x, filter, bias → y
      return size(output) * taps(inputs[1]);
    case KERNEL.conv3dInputGradient: // dy, filter → dx
      return size(inputs[0]) * taps(inputs[1]);
    case KERNEL.conv3dFilterGradient: // x, dy → dw
      return size(inputs[1]) * taps(output);
    case "BatchMatMul":
    case "_FusedMatMul": // √(|a|·|b|·|c|) with a [m, k], b [k, n], c [m, n] in any order of axes
      return Math.round(Math.sqrt(size(inputs[0]) * size(inputs[1]) * size(output)));
    default:
      return 0;
  }
}

/**
 * Runs a step once and counts.
 *
 * @param problem Engine and sizes; the engine is stopped afterwards.
 */
export async function countStepWork(problem: StepProblem): Promise<StepWork> {
  const step = await prepareStep(problem);
  try {
    await step.run();
    const { kernels } = await tf.profile(async () => {
      await step.run();
      return tf.scalar(0); // `profile` insists on a tensor
    });
    return sumUp(kernels as unknown as readonly Call[]);
  } finally {
    await step.stop();
  }
}

interface Call {
  readonly name: string;
  readonly inputShapes: readonly (Shape | null)[];
  readonly outputShapes: readonly Shape[];
}

function sumUp(calls: readonly Call[]): StepWork {
  const byName = new Map<string, { calls: number; multiplyAdds: number; bytes: number }>();
  for (const { name, inputShapes, outputShapes } of calls) {
    if (WITHOUT_TRAFFIC.has(name)) continue;
    const inputs = inputShapes.filter((shape) => shape !== null);
    const sum = byName.get(name) ?? { calls: 0, multiplyAdds: 0, bytes: 0 };
    sum.calls++;
    sum.multiplyAdds += multiplyAddsOf(name, inputs, outputShapes[0]);
    sum.bytes += 4 * [...inputs, ...outputShapes].reduce((total, shape) => total + size(shape), 0);
    byName.set(name, sum);
  }
  const byKernel = [...byName].map(([kernel, sum]) => ({ kernel, ...sum }))
    .sort((a, b) => b.bytes - a.bytes);
  return {
    multiplyAdds: byKernel.reduce((total, { multiplyAdds }) => total + multiplyAdds, 0),
    bytes: byKernel.reduce((total, { bytes }) => total + bytes, 0),
    byKernel,
  };
}
