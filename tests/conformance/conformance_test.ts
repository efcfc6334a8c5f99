import { assert, assertEquals } from "../../src/deps/std.ts";
import { forEachBackend } from "../support/engines.ts";
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

/** Cases per family and engine. */
const CASES = 500;

/** The same for webgpu, where a software adapter takes milliseconds per call. */
const CASES_WEBGPU = 200;

for (const family of FAMILIES) {
  await forEachBackend(`${family.name}: all cases agree with float64`, async ({ name }) => {
    const count = name === "webgpu" ? CASES_WEBGPU : CASES;
    const { cases, values, failures } = await compareFamily(name, family, count);
    assertEquals(cases, count);
    assert(values > count, `only ${values} values were compared`);
    const shown = failures.slice(0, 5).join("\n");
    assert(failures.length === 0, `${failures.length} of ${count} cases fail:\n${shown}`);
  });
}
