/** The sequence models' forward passes, losses and gradients, compared with every array of their fixtures. */
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import type { SequenceConfig } from "../../src/models/brain_sequence/config.ts";
import { placedVolumes } from "../../src/models/brain_sequence/embedder.ts";
import { linearBaseline } from "../../src/models/brain_sequence/heads.ts";
import type { Pass } from "../../src/models/brain_sequence/layers.ts";
import { encodeSequence } from "../../src/models/brain_sequence/lstm_autoencoder.ts";
import {
  comparedPlaces,
  lossTerms,
  type Outputs,
  runNetwork,
  sequenceEntries,
  untrainedNames,
} from "../../src/models/brain_sequence/network.ts";
import {
  prepare,
  type Prepared,
  type SequenceBatch,
} from "../../src/models/brain_sequence/preparation.ts";
import { project, unproject } from "../../src/models/brain_sequence/projection.ts";
import { timeRows } from "../../src/models/brain_sequence/time_rows.ts";
import type { ParameterStore } from "../../src/parameters/parameter_store.ts";
import { toFileOrder } from "../../src/parameters/state_dict.ts";
import { tapeGradients } from "../../src/training/tape_gradients.ts";
import { forEachBackend } from "../support/engines.ts";
import {
  fixtureBatch,
  fixtureDraws,
  fixtureStore,
  readSequenceFixture,
  SequenceReport,
  tinyConfig,
} from "../support/sequence_cases.ts";

const ENGINES = ["cpu", "reference", "wasm", "webgpu"] as const;

const CASES: Readonly<Record<string, Pick<SequenceConfig, "style" | "architecture">>> = {
  csm_gpt: { style: "csm", architecture: "gpt" },
  seq_bert: { style: "bert", architecture: "bert" },
  net_bert: { style: "netbert", architecture: "netbert" },
  autoencoder_free: { style: "autoencoder", architecture: "autoencoder" },
  autoencoder_teacher: { style: "autoencoder", architecture: "autoencoder" },
  decoding_gpt: { style: "decoding", architecture: "gpt" },
  decoding_bert: { style: "decoding", architecture: "bert" },
  decoding_netbert: { style: "decoding", architecture: "netbert" },
  decoding_autoencoder: { style: "decoding", architecture: "autoencoder" },
  decoding_linear: { style: "decoding", architecture: "linear" },
};

interface Run {
  readonly pass: Pass;
  readonly batch: SequenceBatch;
  readonly prepared: Prepared;
  readonly report: SequenceReport;
}

for (const [name, kind] of Object.entries(CASES)) {
  await forEachBackend(`${name}: every array`, async (engine) => {
    const fixture = readSequenceFixture(name);
    const config = tinyConfig(kind);
    const store = fixtureStore(fixture, config);
    const batch = fixtureBatch(fixture);
    const rate = kind.architecture === "netbert" ? 0.1 : 0.2;
    const prepared = prepare(batch, config, fixtureDraws(fixture, rate));
    const pass = { config, tensor: (key: string) => store.tensor(key), draw: null };
    const report = new SequenceReport(fixture, engine.name);
    const run = { pass, batch, prepared, report };
    const options = { prepared, teacher: name === "autoencoder_teacher" };
    comparePreparation(run);
    await compareForward(run, runNetwork(pass, batch, options));
    await compareLoss(store, run, options.teacher);
    report.complete(["prep/", "prep_3_cls/", "mid/", "out/", "loss/", "grad/"]);
    report.print(name);
    store.dispose();
  }, { engines: ENGINES });
}

/** What a network is given: exact. The stages before the last one show in it. */
function comparePreparation({ pass, batch, prepared, report }: Run): void {
  const stage = report.fixture.has("prep_3_cls/t_rs") ? "prep_3_cls" : "prep";
  const exactly = (name: string, values: ArrayLike<number> | undefined) => {
    if (!report.fixture.has(`${stage}/${name}`)) return;
    report.compare(`${stage}/${name}`, values!, { absolute: 0 });
  };
  exactly("t_rs", prepared.times);
  exactly("attention_mask", prepared.attention);
  exactly("token_type_ids", prepared.tokenTypes);
  exactly("position_ids", timeRows(prepared.times, pass.config.timePrecision));
  const { places, volumes } = comparedPlaces(prepared);
  const [, T, N] = batch.shape;
  const width = prepared.shape[1];
  const modelling = new Int32Array(prepared.places.length * N);
  const hidden: number[] = [];
  places.forEach((place, i) => {
    const from = (Math.floor(place / width) * T + volumes[i]) * N;
    for (let n = 0; n < N; n++) {
      if (prepared.hiddenParcels && !prepared.hiddenParcels[from + n]) continue;
      modelling[place * N + n] = 1;
      hidden.push(batch.inputs[from + n]);
    }
  });
  exactly("modelling_mask", modelling);
  exactly("masked_inputs", hidden);
  if (report.fixture.has("prep_1_masked/masked_inputs")) {
    report.compare("prep_1_masked/masked_inputs", hidden, { absolute: 0 });
  }
}

async function compareForward(run: Run, outputs: Outputs): Promise<void> {
  const { pass, batch, prepared, report } = run;
  const { fixture } = report;
  const present = async (name: string, tensor: tf.Tensor | undefined) => {
    if (tensor && fixture.has(name)) await report.forward(name, tensor);
  };
  for (const stage of ["prep", "prep_3_cls"]) {
    if (!fixture.has(`${stage}/inputs_embeds`)) continue;
    const placed = await toHost(placedVolumes(pass, batch, prepared));
    report.compare(`${stage}/inputs_embeds`, placed, { absolute: 0 });
  }
  await present("mid/embedder", outputs.embedded);
  for (const [i, hidden] of (outputs.hidden ?? []).entries()) {
    await present(`mid/hidden_${i}`, hidden);
  }
  await present("mid/last_hidden_state", outputs.hidden?.at(-1));
  await present("mid/decoder_outputs", outputs.states);
  await present("out/pooler_outputs", outputs.pooled);
  await present("out/decoding_logits", outputs.logits);
  await present("out/is_next_logits", outputs.pairLogits);
  if (outputs.states) await comparePredictions(run, unproject(pass, outputs.states));
  if (fixture.has("mid/encoder_hidden_mean")) await compareEncoder(run, outputs.embedded!);
  if (fixture.has("mid/aggregated")) {
    await present(
      "mid/aggregated",
      linearBaseline(pass, toTensor(batch.inputs, batch.shape)).aggregated,
    );
  }
}

async function comparePredictions(
  { batch, prepared, report }: Run,
  outputs: tf.Tensor,
): Promise<void> {
  const all = await toHost(outputs);
  report.compare("out/outputs", all, { absolute: 2e-5 });
  const { places, volumes } = comparedPlaces(prepared);
  const [, T, N] = batch.shape;
  const selected: number[] = [];
  let least = Infinity;
  places.forEach((place, i) => {
    const from = (Math.floor(place / prepared.shape[1]) * T + volumes[i]) * N;
    for (let n = 0; n < N; n++) {
      if (prepared.hiddenParcels && !prepared.hiddenParcels[from + n]) continue;
      selected.push(all[place * N + n]);
      least = Math.min(least, Math.abs(all[place * N + n] - batch.inputs[from + n]));
    }
  });
  if (report.fixture.has("out/selected_predictions")) {
    report.compare("out/selected_predictions", selected, { absolute: 2e-5 });
  }
  report.compare("mid/min_abs_residual", [least], { absolute: 2e-5 });
}

async function compareEncoder({ pass, report }: Run, embedded: tf.Tensor): Promise<void> {
  const { layers, hiddenMean } = encodeSequence(pass, embedded);
  await report.forward("mid/encoder_hidden_mean", hiddenMean);
  for (const [i, { outputs, states }] of layers.entries()) {
    await report.forward(`mid/encoder_${i}_output`, outputs);
    await report.forward(`mid/encoder_${i}_h`, tf.stack(states.map(({ h }) => h)));
    await report.forward(`mid/encoder_${i}_c`, tf.stack(states.map(({ c }) => c)));
  }
}

async function compareLoss(store: ParameterStore, run: Run, teacher: boolean): Promise<void> {
  const { pass, batch, prepared, report } = run;
  const { losses, gradients } = await tapeGradients(
    store.parameters,
    () => lossTerms(pass, batch, { prepared, teacher }),
  );
  for (const [name, value] of Object.entries(losses)) {
    report.compare(`loss/${name}`, [value], { absolute: 2e-6 });
  }
  const without: string[] = [];
  for (const entry of sequenceEntries(pass.config)) {
    const gradient = toFileOrder(entry, await toHost(gradients.get(entry.key)!) as Float32Array);
    if (report.fixture.has(`grad/${entry.key}`)) {
      report.compare(`grad/${entry.key}`, gradient, { absolute: 2e-6, relative: 1e-4 });
    } else {
      assertEquals(gradient.every((value) => value === 0), true, entry.key);
      without.push(entry.key);
    }
  }
  // With a teacher nothing reads the pooled vector, in that batch alone.
  const unread = untrainedNames(pass.config);
  const expected = (key: string) => unread.test(key) || (teacher && key.includes("pooler_layer"));
  assertEquals(without, sequenceEntries(pass.config).map(({ key }) => key).filter(expected));
  for (const gradient of gradients.values()) gradient.dispose();
}

await forEachBackend("embedder_depth2: two layers there and back", async (engine) => {
  const fixture = readSequenceFixture("embedder_depth2");
  const config = tinyConfig({ style: "autoencoder", embeddingLayers: 2, unembeddingLayers: 2 });
  const names = [...fixture.keys()].filter((name) => name.startsWith("param/"));
  const tensors = new Map(names.map((name) => {
    const { data, shape } = fixture.get(name)!;
    return [name.slice("param/".length), tf.variable(toTensor(data as Float32Array, shape))];
  }));
  const pass = { config, tensor: (key: string) => tensors.get(key)!, draw: null };
  const inputs = fixture.get("in/inputs")!;
  const x = toTensor(inputs.data as Float32Array, inputs.shape);
  const report = new SequenceReport(fixture, engine.name);
  await report.forward("mid/embedder", project(pass, x));
  await report.forward("out/outputs", unproject(pass, project(pass, x)));
  const { losses, gradients } = await tapeGradients(tensors, () => ({
    loss: tf.mean(tf.abs(tf.sub(unproject(pass, project(pass, x)), x))),
  }));
  report.compare("loss/loss", [losses.loss], { absolute: 2e-6 });
  for (const [name, gradient] of gradients) {
    report.compare(`grad/${name}`, await toHost(gradient), { absolute: 2e-6, relative: 1e-4 });
  }
  report.complete(["mid/", "out/", "loss/", "grad/"]);
}, { engines: ENGINES });

Deno.test("time_positions: every time finds its row", () => {
  const fixture = readSequenceFixture("time_positions");
  const rows = timeRows(fixture.get("t_rs")!.data as Float32Array, 0.2);
  assertEquals([...rows], [...fixture.get("position_ids")!.data as Int32Array]);
});
