/** Comparisons of a model's results with a fixture that several golden tests share. */
import { toHost } from "../../src/backends/tensors.ts";
import type { LossTerms } from "../../src/models/recurrent_vae/losses/terms.ts";
import { describeArchitecture } from "../../src/models/recurrent_vae/architecture.ts";
import { resolveConfig } from "../../src/models/recurrent_vae/config.ts";
import type { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import type { ParameterEntry } from "../../src/parameters/entry.ts";
import type { StepResult } from "../../src/models/recurrent_vae/time_parallel.ts";
import { type StateDict, toFileOrder } from "../../src/parameters/state_dict.ts";
import type { FixtureTensors } from "./fixture_tensors.ts";
import type { GoldenReport } from "./golden_report.ts";
import type { FixtureConfig } from "./recvae_cases.ts";

/** Keys of a fixture's state dictionary. */
export function stateKeys(config: FixtureConfig): string[] {
  const resolved = resolveConfig({ spatialShape: config.spatial });
  return describeArchitecture(resolved, config.subjects).entries.map(({ key }) => key);
}

/** The manifest's order: loss1, loss2, loss_z, loss_F, loss. */
export function lossVector({ loss, loss1, loss2, lossZ, lossF }: LossTerms): number[] {
  return [loss1, loss2, lossZ, lossF, loss];
}

/** Gradients of a step in file order, by key; disposes them. */
export async function hostGradients(
  entries: readonly ParameterEntry[],
  gradients: StepResult["gradients"],
): Promise<Map<string, ArrayLike<number>>> {
  const result = new Map<string, ArrayLike<number>>();
  for (const entry of entries) {
    const gradient = gradients.get(entry.key);
    if (!gradient) continue;
    result.set(entry.key, toFileOrder(entry, await toHost(gradient)));
    gradient.dispose();
  }
  return result;
}

/** Compares every gradient with `<prefix><key>`. */
export async function compareGradients(
  report: GoldenReport,
  model: RecurrentVae,
  { gradients, fixture, prefix }: {
    gradients: StepResult["gradients"];
    fixture: FixtureTensors;
    prefix: string;
  },
): Promise<void> {
  for (const [key, actual] of await hostGradients(model.architecture.entries, gradients)) {
    const name = `${prefix}${key}`;
    const expected = fixture.floats(name).data;
    if (report.isTheoreticallyZero(name)) {
      report.compareAbsolute(name, actual, expected, { tolerance: 1e-3 });
    } else report.compare(name, actual, expected, { kind: "gradient" });
  }
}

/** Compares running statistics and counters with `<prefix><key>`. */
export function compareBuffers(
  report: GoldenReport,
  model: RecurrentVae,
  { state, fixture, prefix }: { state: StateDict; fixture: FixtureTensors; prefix: string },
): void {
  for (const entry of model.architecture.entries) {
    if (entry.kind === "parameter" || entry.key === "F_mat") continue;
    const name = `${prefix}${entry.key}`;
    const found = Array.from(state.get(entry.key)!.data, Number);
    if (entry.kind === "counter") report.compareExactly(name, found, fixture.integers(name));
    else report.compare(name, found, fixture.floats(name).data, { kind: "statistics" });
  }
}
