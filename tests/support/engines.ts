/** Runs a test on every engine of this machine; absent ones are skipped by name, with the reason. */
import type { ActiveEngine, BackendName } from "../../src/backends/engine.ts";
import { probeBackend, selectBackend } from "../../src/backends/registry.ts";

/** Engines that compute in float32, in the order of testing. */
export const FLOAT32_ENGINES: readonly BackendName[] = ["cpu", "wasm", "webgpu", "tensorflow"];

/**
 * Defines one test per engine. `RECVAE_TEST_ENGINES` (comma-separated) narrows the choice.
 *
 * @param name What is tested.
 * @param body Runs with the engine selected.
 * @param options.engines Default {@link FLOAT32_ENGINES}.
 */
export async function forEachBackend(
  name: string,
  body: (engine: ActiveEngine) => Promise<void>,
  options: { readonly engines?: readonly BackendName[] } = {},
): Promise<void> {
  const wanted = Deno.env.get("RECVAE_TEST_ENGINES")?.split(",");
  for (const engine of options.engines ?? FLOAT32_ENGINES) {
    const missing = reasonNotAsked(engine, wanted) ?? await reasonMissing(engine);
    Deno.test({
      name: missing === null ? `${name} [${engine}]` : `${name} [${engine} skipped: ${missing}]`,
      ignore: missing !== null,
      // Worker pools and device queues outlive a single test.
      sanitizeOps: false,
      sanitizeResources: false,
      fn: async () => body(await selectBackend(engine)),
    });
  }
}

/**
 * Why an engine is left out, or null. tensorflow runs only when named: in a process that has opened a GPU
 * through Mesa it crashes on loading, and all test files share one process.
 */
function reasonNotAsked(
  engine: BackendName,
  wanted: readonly string[] | undefined,
): string | null {
  if (wanted === undefined) {
    return engine === "tensorflow"
      ? "needs RECVAE_TEST_ENGINES=tensorflow, a run of its own"
      : null;
  }
  return wanted.includes(engine) ? null : "not asked for";
}

const probes = new Map<BackendName, Promise<string | null>>();

function reasonMissing(engine: BackendName): Promise<string | null> {
  const known = probes.get(engine) ??
    probeBackend(engine).then((probe) =>
      probe.available ? null : (probe.hint ?? probe.detail).split("\n")[0]
    );
  probes.set(engine, known);
  return known;
}

/** Selects the fastest engine that needs no GPU. */
export async function selectFastEngine(): Promise<ActiveEngine> {
  return await selectBackend(await reasonMissing("wasm") === null ? "wasm" : "cpu");
}
