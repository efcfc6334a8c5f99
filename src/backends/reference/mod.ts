/**
 * The `reference` engine: every tensor in float64, every kernel plain and scalar. Slow; the engine the
 * others are checked against, and the one on which gradients are checked by finite differences.
 *
 * Numbers written straight into TensorFlow.js calls (`x.mul(0.1)`, `tf.scalar`) are rounded to float32
 * before any backend sees them; `toScalar` and `toTensor` are not.
 */
import { BackendError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import { framesWithinBudget } from "../chunking.ts";
import type { ActiveEngine, Engine, ProbeResult } from "../engine.ts";
import { type HostStorage, registerScalarKernels } from "../scalar/registration.ts";
import { CONVOLUTIONS } from "./convolutions.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import { FURTHER } from "./further.ts";
import { Float64Backend } from "./float64_backend.ts";
import { registerTable } from "./kernel_table.ts";
import { MATRIX } from "./matrix.ts";
import { MOVEMENT } from "./movement.ts";
import { REDUCTIONS } from "./reductions.ts";

const TF_NAME = "recvae-float64";
const DETAIL = "float64, scalar, 1 thread; for verification";

/** Activations of one chunk. */
const CHUNK_BYTES = 64 * 2 ** 20;

/** The engine; see the head of this module. */
export const engine: Engine = {
  name: "reference",
  probe: () =>
    Promise.resolve<ProbeResult>({
      name: "reference",
      available: true,
      automatic: false,
      detail: DETAIL,
      hint: "slow on purpose; choose it with --backend reference",
    }),
  start,
};

async function start(): Promise<ActiveEngine> {
  if (tf.findBackend(TF_NAME) == null) tf.registerBackend(TF_NAME, () => new Float64Backend(), 0);
  registerScalarKernels(TF_NAME, storageOf);
  for (const table of [ELEMENTWISE, REDUCTIONS, MOVEMENT, MATRIX, CONVOLUTIONS, FURTHER]) {
    registerTable(table, TF_NAME);
  }
  if (!await tf.setBackend(TF_NAME)) {
    throw new BackendError("reference", "Cannot start engine reference: TensorFlow.js refused it");
  }
  const backend = tf.backend() as Float64Backend;
  return {
    name: "reference",
    tfName: TF_NAME,
    threads: 1,
    detail: DETAIL,
    framesPerChunk: (request) => framesWithinBudget(request, CHUNK_BYTES, 8),
    memory() {
      const used = backend.bytes();
      return { used, reserved: used };
    },
    stop: () => {
      tf.removeBackend(TF_NAME);
      return Promise.resolve();
    },
  };
}

function storageOf(backend: unknown): HostStorage {
  const reference = backend as Float64Backend;
  return {
    read: (tensor) => reference.floats(tensor),
    allocate: (length) => new Float64Array(length),
    wrap: (values, shape) => reference.output(values, shape, "float32"),
  };
}
