import { assert, assertEquals } from "../../src/deps/std.ts";
import { forEachBackend } from "../support/engines.ts";
import { nightlyCount } from "../support/nightly.ts";
import { compareFamily } from "./battery.ts";
import { FAMILIES } from "./families.ts";

/** Cases per family and engine. */
const CASES = nightlyCount(500, 100);

/** The same for webgpu, where a software adapter takes milliseconds per call. */
const CASES_WEBGPU = nightlyCount(200, 40);

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
