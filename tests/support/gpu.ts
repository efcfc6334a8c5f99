/** Tests that need a GPU adapter (a software one will do) are skipped by name where there is none. */
import { findAdapter } from "../../src/backends/webgpu/adapter.ts";

const found = await findAdapter() !== null;

/**
 * Defines a test of the webgpu engine.
 *
 * The engine's device and its pooled buffers outlive a single test, so resources are not counted.
 */
export function gpuTest(name: string, body: () => Promise<void>): void {
  Deno.test({
    name: found ? name : `${name} (skipped: no GPU adapter; install mesa-vulkan-drivers)`,
    ignore: !found,
    sanitizeResources: false,
    sanitizeOps: false,
    fn: body,
  });
}
