/**
 * Starting weights of the full model from PyTorch's seed 2022, compared with rng.safetensors [recurrent-vae §3.4, §A].
 */
import { TorchGenerator } from "../../src/base/torch_random.ts";
import { assertEquals } from "../../src/deps/std.ts";
import {
  describeArchitecture,
  torchDrawOrder,
} from "../../src/models/recurrent_vae/architecture.ts";
import { resolveConfig } from "../../src/models/recurrent_vae/config.ts";
import { asFloats } from "../../src/parameters/state_dict.ts";
import { drawStartingValues } from "../../src/parameters/starting_values.ts";
import { readFixture, readManifest } from "../support/fixture_tensors.ts";
import { GoldenReport } from "../support/golden_report.ts";

/** Appendix A: normal draws agree with PyTorch within 1.2e-7 of values up to about 4. */
const NORMAL_TOLERANCE = 5e-7;

Deno.test("init: the default initialisation after seeding with 2022 is PyTorch's", () => {
  const fixture = readFixture("rng");
  const { tensors } = readManifest("rng");
  const report = new GoldenReport("rng", "host");
  const { entries } = describeArchitecture(resolveConfig(), 8);
  const state = drawStartingValues(entries, {
    random: new TorchGenerator(2022),
    drawOrder: torchDrawOrder(entries),
  });
  assertEquals([...state.keys()], entries.map(({ key }) => key));
  for (const name of report.untouched(["init2022/"])) {
    const key = name.slice("init2022/".length);
    const values = asFloats(state.get(key)!.data);
    const expected = fixture.floats(name).data;
    let sum = 0;
    for (const value of values) sum += value;
    if (key === "z_vectors") {
      const tolerance = NORMAL_TOLERANCE;
      report.compareAbsolute(name, values.subarray(0, expected.length), expected, { tolerance });
      report.compareAbsolute(`${name} (sum)`, [sum], [tensors[name].sum_float64], {
        tolerance: values.length * tolerance,
      });
      continue;
    }
    // Uniform draws are equal to the bit, so their sums are equal as float64 sums in any order are.
    report.compareExactly(name, [...values.subarray(0, expected.length)], [...expected]);
    report.compareAbsolute(`${name} (sum)`, [sum], [tensors[name].sum_float64], {
      tolerance: 1e-9,
    });
  }
  report.print();
});
