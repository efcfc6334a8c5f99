/**
 * The `cpu` engine: the plain CPU backend of TensorFlow.js under its own name, with the scalar kernels
 * registered for it. Runs wherever JavaScript runs; one thread; the last choice of `auto`.
 */
import type { FloatArray } from "../../base/arrays.ts";
import { BackendError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import { framesWithinBudget } from "../chunking.ts";
import type { ActiveEngine, Engine, ProbeResult } from "../engine.ts";
import { type HostStorage, registerScalarKernels } from "../scalar/registration.ts";

/** Activations of one chunk; more frames per call gain nothing on a scalar engine. */
const CHUNK_BYTES = 64 * 2 ** 20;

const TF_NAME = "cpu";
const DETAIL = "TensorFlow.js, plain JavaScript, 1 thread";

/** The part of TensorFlow.js' CPU backend that the kernels use. */
interface CpuBackend {
  /** While true, the next write prints an advertisement for tfjs-node. */
  firstUse: boolean;
  readonly data: { get(dataId: unknown): { values?: FloatArray } };
  makeTensorInfo(shape: number[], dtype: "float32", values: FloatArray): tf.TensorInfo;
}

/** The engine; see the head of this module. */
export const engine: Engine = {
  name: "cpu",
  probe: () =>
    Promise.resolve<ProbeResult>({
      name: "cpu",
      available: true,
      automatic: true,
      detail: DETAIL,
    }),
  start,
};

async function start(): Promise<ActiveEngine> {
  if (!await tf.setBackend(TF_NAME)) {
    throw new BackendError("cpu", "Cannot start engine cpu: TensorFlow.js refused its CPU backend");
  }
  (tf.backend() as unknown as CpuBackend).firstUse = false;
  registerScalarKernels(TF_NAME, storageOf);
  return {
    name: "cpu",
    tfName: TF_NAME,
    threads: 1,
    detail: DETAIL,
    framesPerChunk: (request) => framesWithinBudget(request, CHUNK_BYTES),
    memory() {
      const used = tf.memory().numBytes;
      return { used, reserved: used };
    },
    stop: () => Promise.resolve(),
  };
}

function storageOf(backend: unknown): HostStorage {
  const cpu = backend as CpuBackend;
  return {
    read(tensor) {
      const { values } = cpu.data.get(tensor.dataId);
      if (values === undefined) {
        throw new BackendError("cpu", "Cannot read a tensor on engine cpu: it holds no values");
      }
      return values;
    },
    allocate: (length) => new Float32Array(length),
    wrap: (values, shape) => cpu.makeTensorInfo([...shape], "float32", values),
  };
}
