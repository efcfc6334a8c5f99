/** One training step at 23×27×21, compared with every array of small.safetensors. */
import type { ActiveEngine } from "../../src/backends/engine.ts";
import { toHost } from "../../src/backends/tensors.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { describeArchitecture } from "../../src/models/recurrent_vae/architecture.ts";
import { resolveConfig } from "../../src/models/recurrent_vae/config.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import { toFileOrder } from "../../src/models/recurrent_vae/weights.ts";
import { forEachBackend } from "../support/engines.ts";
import { readFixture, readManifest } from "../support/fixture_tensors.ts";
import { GoldenReport } from "../support/golden_report.ts";
import { fixtureModel, flipVolumes, stateUnder, volumesOf } from "../support/recvae_cases.ts";

const fixture = readFixture("small");
const { config } = readManifest("small");
const keys = describeArchitecture(
  resolveConfig({ spatialShape: config.spatial }),
  config.subjects,
).entries.map(({ key }) => key);
const rows = fixture.integers("in/which_ones");
const noise = fixture.floats("in/eps");
const initialState = fixture.floats("in/h0");
const volumes = volumesOf(fixture.floats("in/x"), rows);

function startModel() {
  return fixtureModel(config, stateUnder(fixture, "init", keys));
}

async function compareForward(report: GoldenReport): Promise<void> {
  const model = startModel();
  const result = await model.forward(volumes, { subjects: rows, noise, initialState });
  const arrays: Record<string, NdArray> = {
    feat: result.features,
    mu: result.posteriorMean,
    log_var: result.posteriorLogVar,
    h: result.h,
    gh: result.gh,
    recon: { ...result.mu, data: flipVolumes(result.mu.data, [...config.spatial].reverse()) },
  };
  for (const [name, { data }] of Object.entries(arrays)) {
    report.compare(`out/${name}`, data, fixture.floats(`out/${name}`).data, { kind: "forward" });
  }
  model.dispose();
}

async function compareStep(report: GoldenReport): Promise<void> {
  const model = startModel();
  const { losses, gradients, states } = await model.computeGradients(frameBatchOf(volumes, rows), {
    noise,
    initialState,
  });
  const { loss, loss1, loss2, lossZ, lossF } = losses;
  report.compareEntries(
    "out/losses",
    [loss1, loss2, lossZ, lossF, loss],
    fixture.floats("out/losses").data,
    { tolerance: 2e-6 },
  );
  for (const entry of model.architecture.entries) {
    const gradient = gradients.get(entry.key);
    if (!gradient) continue;
    const name = `grad/${entry.key}`;
    const actual = toFileOrder(entry, await toHost(gradient));
    gradient.dispose();
    const expected = fixture.floats(name).data;
    if (report.isTheoreticallyZero(name)) {
      report.compareAbsolute(name, actual, expected, { tolerance: 1e-3 });
    } else report.compare(name, actual, expected, { kind: "gradient" });
  }
  const after = await model.stateDict();
  for (const entry of model.architecture.entries) {
    if (entry.kind === "parameter" || entry.key === "F_mat") continue;
    const name = `after/${entry.key}`;
    const found = Array.from(after.get(entry.key)!.data, Number);
    if (entry.kind === "counter") report.compareExactly(name, found, fixture.integers(name));
    else report.compare(name, found, fixture.floats(name).data, { kind: "statistics" });
  }
  compareTransition(report, states);
  model.dispose();
}

function compareTransition(report: GoldenReport, states: NdArray): void {
  const [batch, frames, dim] = states.shape;
  const buffer = new Float32Array(config.subjects * frames * dim);
  for (let b = 0; b < batch; b++) {
    const row = states.data.subarray(b * frames * dim, (b + 1) * frames * dim);
    buffer.set(row, rows[b] * frames * dim);
  }
  report.compare("ridge/buffer", buffer, fixture.floats("ridge/buffer").data, { kind: "forward" });
  for (const [name, ridgePenalty] of [["F_nt", "v2"], ["F_plain", "v1"]] as const) {
    const model = fixtureModel(config, stateUnder(fixture, "init", keys), { ridgePenalty });
    const shape = [config.subjects, frames, dim];
    model.updateTransitionMatrix({ data: buffer, shape }, { initialState });
    const expected = fixture.floats(`ridge/${name}`).data;
    report.compare(`ridge/${name}`, model.transitionMatrix.data, expected, { kind: "transition" });
    model.dispose();
  }
}

await forEachBackend("small: every array of one training step", async (engine: ActiveEngine) => {
  const report = new GoldenReport("small", engine.name);
  await compareForward(report);
  await compareStep(report);
  assertEquals(report.untouched(["out/", "grad/", "after/", "ridge/"]), []);
  report.print();
}, { engines: ["cpu", "reference", "wasm", "webgpu", "tensorflow"] });
