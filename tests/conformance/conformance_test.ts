import type { BackendName } from "../../src/backends/engine.ts";
import { currentEngine, probeBackend, selectBackend } from "../../src/backends/registry.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { compareFamily, type Family } from "./battery.ts";
import { CONVOLUTION, FILTER_GRADIENT, INPUT_GRADIENT } from "./convolution_families.ts";
import { TANH_ERROR_FAMILY } from "./error_family.ts";
import { LINEAR } from "./linear_family.ts";
import { FIXED_NORM, NORM, NORM_GRADIENT } from "./norm_families.ts";
import { ELEMENTWISE_FAMILY, MOVEMENT_FAMILY, REDUCTION_FAMILY } from "./stock_families.ts";

const FAMILIES: readonly Family[] = [
  CONVOLUTION,
  INPUT_GRADIENT,
  FILTER_GRADIENT,
  NORM,
  FIXED_NORM,
  NORM_GRADIENT,
  TANH_ERROR_FAMILY,
  LINEAR,
  ELEMENTWISE_FAMILY,
  REDUCTION_FAMILY,
  MOVEMENT_FAMILY,
];

/** Engines under test and their cases per family; fewer where a software GPU takes milliseconds per call. */
const ENGINES: readonly (readonly [BackendName, number])[] = [
  ["cpu", 500],
  ["wasm", 500],
  ["webgpu", 200],
  ["tensorflow", 500],
];

for (const [name, count] of ENGINES) {
  const probe = await probeBackend(name);
  const reason = probe.available ? "" : ` (skipped: ${probe.hint ?? probe.detail})`;
  Deno.test({
    name: `${name} agrees with the float64 reference${reason}`,
    ignore: !probe.available,
    // Engines keep workers and devices until they are stopped, which is after the last step.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      await selectBackend(name);
      try {
        for (const family of FAMILIES) {
          await t.step(`${family.name}, ${count} cases`, async () => {
            const { cases, values, failures } = await compareFamily(name, family, count);
            assertEquals(cases, count);
            assert(values > count, `only ${values} values were compared`);
            const shown = failures.slice(0, 5).join("\n");
            assert(failures.length === 0, `${failures.length} of ${count} cases fail:\n${shown}`);
          });
        }
      } finally {
        await selectBackend(name);
        await currentEngine()?.stop();
      }
    },
  });
}
