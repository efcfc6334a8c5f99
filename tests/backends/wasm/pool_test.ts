import { SharedMemory } from "../../../src/backends/wasm/memory.ts";
import type { KernelExport } from "../../../src/backends/wasm/control.ts";
import { WorkerPool } from "../../../src/backends/wasm/pool.ts";
import { BackendError } from "../../../src/base/errors.ts";
import { assert, assertEquals, assertThrows } from "../../../src/deps/std.ts";
import { moduleWith } from "./tiny_module.ts";

/** A pool over a module whose kernel 0 counts its slices, and traps on workers if told to. */
async function startPool(threads: number, options: { trapOnWorkers: boolean }) {
  const memory = new SharedMemory({ modulePages: 1, maximumPages: 64 });
  const module = new WebAssembly.Module(moduleWith(options));
  const instance = new WebAssembly.Instance(module, { env: { memory: memory.memory } });
  const pool = new WorkerPool({
    module,
    memory: memory.memory,
    kernels: Object.values(instance.exports) as unknown as KernelExport[],
    threads,
    stackTop: () => 4096,
  });
  const parameters = memory.allocate(4 * 4096, "counters");
  pool.start();
  while (pool.readyWorkers < threads - 1) await new Promise((done) => setTimeout(done, 5));
  const run = (slices: number) =>
    pool.run({ kernel: 0, parameters, slices, scratch: 0, scratchStride: 0 });
  const counts = (slices: number) => [...memory.integerView(parameters, slices)];
  return { pool, run, counts };
}

for (const threads of [1, 2, 4]) {
  Deno.test(`pool: ${threads} threads do every slice of every job exactly once`, async () => {
    const { pool, run, counts } = await startPool(threads, { trapOnWorkers: false });
    const sizes = [0, 1, 2, 3, 17, 500, 4096];
    for (let round = 1; round <= 300; round++) {
      for (const slices of sizes) run(slices);
    }
    const expected = Array.from(
      { length: 4096 },
      (_, slice) => 300 * sizes.filter((n) => n > slice).length,
    );
    assertEquals(counts(4096), expected);
    await pool.stop();
  });
}

Deno.test("pool: a kernel that fails on a worker gives a BackendError, and the pool works again", async () => {
  const { pool, run } = await startPool(2, { trapOnWorkers: true });
  // A worker has to wake up before it can fail; until it takes a slice, jobs succeed.
  const runUntilItFails = () => {
    for (let i = 0; i < 100_000; i++) run(4096);
  };
  for (let attempt = 0; attempt < 3; attempt++) {
    const error = assertThrows(runUntilItFails, BackendError);
    assert(/on thread 1 .*unreachable/.test(error.message), error.message);
    assertEquals(pool.readyWorkers, 0);
    run(1);
  }
  await pool.stop();
});

Deno.test("pool: a kernel that fails on the calling thread gives a BackendError", async () => {
  const { pool } = await startPool(2, { trapOnWorkers: false });
  const outside = { kernel: 0, parameters: 2 ** 31, scratch: 0, scratchStride: 0 };
  const error = assertThrows(() => pool.run({ ...outside, slices: 1 }), BackendError);
  assert(/on thread 0 .*out of bounds/.test(error.message), error.message);
  assertThrows(() => pool.run({ ...outside, slices: 100 }), BackendError, "out of bounds");
  await pool.stop();
});

Deno.test("pool: stops, and starts again with the next job", async () => {
  const { pool, run, counts } = await startPool(3, { trapOnWorkers: false });
  run(100);
  await pool.stop();
  assertEquals(pool.readyWorkers, 0);
  run(100);
  assertEquals(counts(100), new Array(100).fill(2));
  await pool.stop();
});
