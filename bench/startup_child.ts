/**
 * A fresh process: import, engine, first kernel, then training steps. Prints milliseconds since the process' clock
 * began, one line of JSON. Started by startup.ts.
 */
const begun = performance.now();
const { RecurrentVae, selectBackend } = await import("../mod.ts");
const imported = performance.now();
const engine = await selectBackend("wasm");
const started = performance.now();

const { tf } = await import("../src/deps/tfjs.ts");
const { conv3d } = await import("../src/ops/conv3d.ts");
const volumes = tf.ones([2, 17, 17, 17, 1]);
const filter = tf.ones([4, 4, 4, 1, 4]);
const [corner] = await conv3d(volumes, filter, { stride: 2, padding: 1 }).data();
const firstKernel = performance.now();
if (corner !== 27) throw new Error(`the first kernel gave ${corner}, needs 27`);

let compilations = 0;
const { ringFrames } = await import("./ring_frames.ts");
const spatialShape = [91, 109, 91] as const;
const model = new RecurrentVae({ spatialShape, tolTime: 2 }, { subjects: 2 });
const frames = ringFrames({ batch: 2, frames: 2, spatialShape, ring: 2 });
const steps: number[] = [];
for (let i = 0; i < 4; i++) {
  const before = performance.now();
  const { gradients } = await model.computeGradients(frames);
  steps.push(performance.now() - before);
  tf.dispose([...gradients.values()]);
  if (i === 0) watchCompilations();
}
await engine.stop();
console.log(JSON.stringify({ begun, imported, started, firstKernel, steps, compilations }));

/** Counts every WebAssembly module that is compiled or instantiated from now on. */
function watchCompilations(): void {
  for (const name of ["Module", "Instance"] as const) {
    // deno-lint-ignore no-explicit-any -- both constructors take whatever theirs take
    const Original = WebAssembly[name] as any;
    // deno-lint-ignore no-explicit-any
    (WebAssembly as any)[name] = function (...args: unknown[]) {
      compilations++;
      return new Original(...args);
    };
  }
  for (const name of ["compile", "instantiate"] as const) {
    // deno-lint-ignore no-explicit-any -- overloaded
    const original = WebAssembly[name] as any;
    // deno-lint-ignore no-explicit-any
    (WebAssembly as any)[name] = (...args: unknown[]) => {
      compilations++;
      return original(...args);
    };
  }
}
