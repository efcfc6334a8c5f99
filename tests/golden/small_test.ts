/** One training step at 23×27×21, compared with every array of small.safetensors. */
import type { ActiveEngine } from "../../src/backends/engine.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import { forEachBackend } from "../support/engines.ts";
import { readFixture, readManifest } from "../support/fixture_tensors.ts";
import {
  compareBuffers,
  compareGradients,
  lossVector,
  stateKeys,
} from "../support/golden_model.ts";
import { GoldenReport } from "../support/golden_report.ts";
import { fixtureModel, flipVolumes, stateUnder, volumesOf } from "../support/recvae_cases.ts";

const fixture = readFixture("small");
const { config } = readManifest("small");
const keys = stateKeys(config);
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
  report.compareEntries("out/losses", lossVector(losses), fixture.floats("out/losses").data, {
    tolerance: 2e-6,
  });
  await compareGradients(report, model, { gradients, fixture, prefix: "grad/" });
  const state = await model.stateDict();
  compareBuffers(report, model, { state, fixture, prefix: "after/" });
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
