/** The streamline models against every array of their fixtures. */
import type { ActiveEngine, BackendName } from "../../src/backends/engine.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { StreamlineAutoencoder } from "../../src/models/streamlines/autoencoder.ts";
import type { StreamlineConfig } from "../../src/models/streamlines/config.ts";
import type { StreamlineModel } from "../../src/models/streamlines/model.ts";
import { RegressionVae } from "../../src/models/streamlines/regression.ts";
import { StreamlineVae } from "../../src/models/streamlines/variational.ts";
import { constrainedOptimiser } from "../../src/training/constrained_optimiser.ts";
import { createOptimiser, type Optimiser } from "../../src/training/optimisers.ts";
import { type LossTerms, tapeGradients } from "../../src/training/tape_gradients.ts";
import { forEachBackend } from "../support/engines.ts";
import {
  fillModel,
  gradientFacts,
  parameterFacts,
  samplesOf,
} from "../support/filled_streamline_model.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { filledTensors, filledValues } from "../support/streamline_fixtures.ts";
import { StreamlineReport } from "../support/streamline_report.ts";

/** One engine in every run, all in the nightly one: 4.7 million parameters take their time. */
const ENGINES: readonly BackendName[] = NIGHTLY ? ["cpu", "reference", "wasm", "webgpu"] : ["wasm"];

const ORIGINAL: StreamlineConfig = { decoderReshape: "time-major" };
const UPSAMPLINGS: readonly ("nearest" | "linear")[] = NIGHTLY
  ? ["nearest", "linear"]
  : ["nearest"];

/** Keras' Adam, with its decoupled decay. */
function kerasAdam(model: StreamlineModel, weightDecay = 0.13): Optimiser {
  return createOptimiser("adamw", model.variables, {
    epsilon: 1e-7,
    rawEpsilon: true,
    weightDecay,
  });
}

Deno.test("golden: the fill formula gives every tensor's values, and the networks have their sizes", async () => {
  let count = 0;
  for (const [name, tensor] of Object.entries(filledTensors())) {
    const values = filledValues(tensor);
    assertEquals([...values.subarray(0, 4)], tensor.first4.slice(0, values.length), name);
    assertEquals([values.at(-1)], [...tensor.last1], name);
    const sum = values.reduce((total, value) => total + value, 0);
    assertEquals(Math.abs(sum - tensor.sum_f64) < 1e-9 * values.length, true, name);
    count++;
  }
  assertEquals(count, 74);
  await Promise.resolve();
  const sizes = [
    [new StreamlineAutoencoder(), 4_726_307],
    [new StreamlineVae({ batchNorm: true }), 4_992_515],
    [new RegressionVae({ batchNorm: true }), 5_008_967],
  ] as const;
  for (const [model, size] of sizes) {
    const found = [...model.variables.values()].reduce((sum, variable) => sum + variable.size, 0);
    assertEquals(found, size);
    model.dispose();
  }
});

async function hostOf(compute: () => tf.Tensor): Promise<number[]> {
  const tensor = tf.tidy(compute);
  const values = Array.from(await toHost(tensor));
  tensor.dispose();
  return values;
}

/** Mean, standard deviation and largest magnitude. */
function spread(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return [mean, Math.sqrt(variance), values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)];
}

/** Losses before each of some updates and after the last; parameters after them. */
async function train(
  model: StreamlineModel,
  terms: (step: number) => LossTerms,
  { optimiser, rate, steps }: {
    readonly optimiser: Optimiser;
    readonly rate: number;
    readonly steps: number;
  },
): Promise<Record<string, number>[]> {
  const losses: Record<string, number>[] = [];
  for (let step = 0; step <= steps; step++) {
    const outcome = await tapeGradients(model.variables, () => terms(step));
    losses.push(outcome.losses);
    if (step < steps) optimiser.step(outcome.gradients, rate);
    tf.dispose([...outcome.gradients.values()]);
  }
  optimiser.dispose();
  return losses;
}

async function compareAutoencoder(report: StreamlineReport): Promise<void> {
  const { fixture } = report;
  const order: string[] = JSON.parse(fixture.metadata.param_order);
  const x = () => toTensor(Float32Array.from(fixture.numbers("x")), [3, 256, 3]);
  report.given("x", "dummy.x");
  for (const upsampling of UPSAMPLINGS) {
    const model = new StreamlineAutoencoder({ ...ORIGINAL, upsampling });
    await fillModel(model);
    const kept = new Map<string, tf.Tensor>();
    const use = model.use({
      training: true,
      onActivation: (name, value) => kept.set(name, tf.keep(value.clone())),
    });
    const z = await hostOf(() => model.code(x(), use));
    const y = await hostOf(() => model.points(model.code(x(), model.use()), use));
    report.forward(`${upsampling}.y`, y);
    if (upsampling === "nearest") report.forward("z", z);
    for (const [name, tensor] of kept) {
      const values = Array.from(await toHost(tensor));
      tensor.dispose();
      if (name.startsWith("h") && upsampling === "linear") continue;
      const full = name.startsWith("d") ? `act.${upsampling}.${name}` : `act.${name}`;
      report.forward(full, samplesOf(values));
      report.forward(`${full}.mean_std_absmax`, spread(values));
    }
    const outcome = await tapeGradients(model.variables, () => model.terms(x(), null, model.use()));
    report.relative(`${upsampling}.mse`, [outcome.losses.loss], "loss");
    report.relative(`${upsampling}.sse`, [outcome.losses.loss * 2304], "loss");
    const optimiser = kerasAdam(model);
    optimiser.step(outcome.gradients, 6.8e-4);
    optimiser.dispose();
    const facts = await gradientFacts(model, outcome.gradients, order);
    report.relative(`${upsampling}.grad_norms`, facts.norms, "gradientNorm");
    report.relative(`${upsampling}.grad_global_norm`, facts.global, "gradientNorm");
    report.gradientSamples(`${upsampling}.grad_samples`, facts.samples);
    const gradients = `${upsampling}.grad_samples`;
    await compareParameters(report, model, `${upsampling}.adam_lr6.8e-4.after1`, {
      order,
      gradients,
    });
    await fillModel(model);
    const path = await train(model, () => model.terms(x(), null, model.use()), {
      optimiser: kerasAdam(model),
      rate: 2e-6,
      steps: 3,
    });
    report.relative(
      `${upsampling}.adam_lr2e-6.losses`,
      path.map(({ loss }) => loss),
      "trajectory",
    );
    await compareParameters(report, model, `${upsampling}.adam_lr2e-6.after3`, {
      order,
      gradients,
    });
    if (upsampling === "nearest") await compareDummy(report, model);
    model.dispose();
  }
  await compareVariants(report, order, x);
}

async function compareParameters(
  report: StreamlineReport,
  model: StreamlineModel,
  prefix: string,
  { order, gradients, skipped = [] }: {
    readonly order: readonly string[];
    readonly gradients: string | null;
    readonly skipped?: readonly number[];
  },
): Promise<void> {
  const { sums, squares, samples } = await parameterFacts(model, order);
  report.parameterSamples(`${prefix}.param_samples`, samples, { gradients, skipped });
  report.sums(`${prefix}.param_sums`, sums, skipped);
  report.sums(`${prefix}.param_sumsq`, squares, skipped);
}

async function compareDummy(report: StreamlineReport, model: StreamlineAutoencoder) {
  await fillModel(model);
  const dummy = () => toTensor(Float32Array.from(report.fixture.numbers("dummy.x")), [3, 256, 3]);
  report.forward("dummy.z", await hostOf(() => model.code(dummy(), model.use())));
  const loss = await hostOf(() => model.terms(dummy(), null, model.use()).loss);
  report.relative("dummy.nearest.mse", loss, "loss");
}

async function compareVariants(
  report: StreamlineReport,
  order: readonly string[],
  x: () => tf.Tensor,
): Promise<void> {
  const flat = new StreamlineAutoencoder({ ...ORIGINAL, encoderFlatten: "time-major" });
  await fillModel(flat);
  report.forward(
    "variant.encoder_time_major.z",
    await hostOf(() => flat.code(x(), flat.use())),
  );
  flat.dispose();
  const finta = new StreamlineAutoencoder({ upsampling: "linear" }, { reduction: "sum" });
  await fillModel(finta);
  report.forward(
    "finta.y",
    await hostOf(() => finta.points(finta.code(x(), finta.use()), finta.use())),
  );
  const path = await train(finta, () => finta.terms(x(), null, finta.use()), {
    optimiser: createOptimiser("adam", finta.variables, { weightDecay: 0.13 }),
    rate: 2e-6,
    steps: 3,
  });
  report.relative("finta.sse", [path[0].loss], "loss");
  const prefix = "finta.torch_adam_l2_lr2e-6";
  report.relative(`${prefix}.sse_losses`, path.map(({ loss }) => loss), "trajectory");
  await compareParameters(report, finta, `${prefix}.after3`, { order, gradients: null });
  finta.dispose();
}

/** Rows of gradients and parameters that nothing determines: a norm layer behind removes them. */
function undefinedRows(order: readonly string[]): number[] {
  return ["encoder.conv6.bias", "encoder.bn5.beta"].map((name) => order.indexOf(name));
}

type Statistics = Map<string, { mean: tf.Tensor; variance: tf.Tensor }>;

async function compareVae(report: StreamlineReport): Promise<void> {
  const { fixture } = report;
  const order: string[] = JSON.parse(fixture.metadata.param_order);
  const skipped = undefinedRows(order);
  const given = (name: string) => {
    report.given(name);
    return toTensor(Float32Array.from(fixture.numbers(name)), fixture.shape(name));
  };
  for (const upsampling of UPSAMPLINGS) {
    const model = new StreamlineVae({ ...ORIGINAL, batchNorm: true, upsampling });
    const terms = (step: number) =>
      model.terms(given("x"), { noise: given(`eps${step}`) }, model.use({ training: true }));
    await fillModel(model);
    await compareVaePasses(report, model, { upsampling, given });
    const outcome = await tapeGradients(model.variables, () => terms(0));
    const { loss, reconstruction, divergence } = outcome.losses as unknown as Record<
      string,
      number
    >;
    const prefix = `train.${upsampling}`;
    report.relative(`${prefix}.recon_loss`, [reconstruction], "loss");
    report.relative("train.kl_loss", [divergence], "loss");
    report.relative(`${prefix}.total_beta1`, [loss], "loss");
    report.relative(`${prefix}.total_beta4`, [reconstruction + 4 * divergence], "loss");
    const optimiser = kerasAdam(model);
    optimiser.step(outcome.gradients, 6.8e-4);
    optimiser.dispose();
    const facts = await gradientFacts(model, outcome.gradients, order);
    report.relative(`${prefix}.grad_norms`, facts.norms, "gradientNorm", skipped);
    report.relative(`${prefix}.grad_global_norm`, facts.global, "gradientNorm");
    report.gradientSamples(`${prefix}.grad_samples`, facts.samples, skipped);
    const judged = { order, gradients: `${prefix}.grad_samples`, skipped };
    await compareParameters(report, model, `${prefix}.adam_lr6.8e-4.after1`, judged);
    await fillModel(model);
    const path = await train(model, terms, { optimiser: kerasAdam(model), rate: 2e-6, steps: 2 });
    report.relative(
      `${prefix}.adam_lr2e-6.total_recon_kl`,
      path.flatMap(({ loss, reconstruction, divergence }) => [loss, reconstruction, divergence]),
      "trajectory",
    );
    await compareParameters(report, model, `${prefix}.adam_lr2e-6.after2`, judged);
    if (upsampling === "nearest") await compareDivergenceAlone(report, model, given);
    model.dispose();
  }
}

async function compareDivergenceAlone(
  report: StreamlineReport,
  model: StreamlineVae,
  given: (name: string) => tf.Tensor,
): Promise<void> {
  await fillModel(model);
  const { gradients } = await tapeGradients(model.variables, () => ({
    loss: model.terms(given("x"), { noise: given("eps0") }, model.use({ training: true }))
      .divergence!,
  } as LossTerms));
  const heads = ["z_mean.kernel", "z_mean.bias", "z_log_var.kernel", "z_log_var.bias"];
  const facts = await gradientFacts(model, gradients, heads.map((name) => `encoder.${name}`));
  report.relative("train.kl_only_grad_norms_heads", facts.norms, "gradientNorm");
}

async function compareVaePasses(
  report: StreamlineReport,
  model: StreamlineVae,
  { upsampling, given }: {
    readonly upsampling: string;
    readonly given: (name: string) => tf.Tensor;
  },
): Promise<void> {
  for (const mode of ["train", "eval"] as const) {
    const statistics: Statistics = new Map();
    const activations = new Map<string, tf.Tensor>();
    const use = model.use({
      training: mode === "train",
      onStatistics: (layer, { mean, variance }) =>
        statistics.set(layer, { mean: tf.keep(mean), variance: tf.keep(variance) }),
      onActivation: (name, value) => activations.set(name, tf.keep(value.clone())),
    });
    const found = tf.tidy(() => {
      const { mean, logVar, z } = model.posterior(given("x"), given("eps0"), use);
      return [mean, logVar, z, model.points(z, {}, use)];
    });
    const names = ["z_mean", "z_log_var", "z", `${upsampling}.y`];
    for (const [i, tensor] of found.entries()) {
      report.forward(`${mode}.${names[i]}`, await toHost(tensor));
    }
    if (mode === "eval") {
      const y = await hostOf(() => model.points(found[0], {}, use));
      report.forward(`eval.${upsampling}.y_from_mean_only`, y);
      const drawn = await hostOf(() => model.points(given("eps1"), {}, use));
      report.forward(`prior_sample.${upsampling}.y`, drawn);
    } else {
      for (const [name, value] of activations) {
        if (name.startsWith("h")) {
          report.forward(`train.act.${name}`, samplesOf(await toHost(value)));
        }
      }
      await compareStatistics(report, model, statistics);
    }
    tf.dispose([...found, ...activations.values()]);
  }
}

/** Batch statistics, and the running ones after a step of the model. */
async function compareStatistics(
  report: StreamlineReport,
  model: StreamlineVae,
  statistics: Statistics,
): Promise<void> {
  for (const [layer, { mean, variance }] of statistics) {
    const name = layer.replace("encoder.", "train.");
    report.forward(`${name}.batch_mean`, samplesOf(await toHost(mean)));
    report.forward(`${name}.batch_var`, samplesOf(await toHost(variance)));
    tf.dispose([mean, variance]);
  }
  const x = Float32Array.from(report.fixture.numbers("x"));
  const batch = { rows: [0, 1, 2], x: { data: x, shape: [3, 256, 3] } };
  const { gradients } = await model.computeGradients(batch, { epoch: 0, batch: 0 });
  tf.dispose([...gradients.values()]);
  const state = await model.stateDict();
  for (let i = 1; i <= 6; i++) {
    for (const [ours, theirs] of [["running_mean", "mean"], ["running_var", "var"]] as const) {
      const values = state.get(`encoder.bn${i}.${ours}`)!.data as Float32Array;
      report.forward(`train.bn${i}.moving_${theirs}_after`, samplesOf(values));
    }
  }
  await fillModel(model);
}

async function compareRegression(report: StreamlineReport): Promise<void> {
  const { fixture } = report;
  const order: string[] = JSON.parse(fixture.metadata.param_order);
  const skipped = undefinedRows(order);
  report.given("length_mm");
  const given = (name: string) => {
    report.given(name);
    return toTensor(Float32Array.from(fixture.numbers(name)), fixture.shape(name));
  };
  for (const upsampling of UPSAMPLINGS) {
    const model = new RegressionVae({ ...ORIGINAL, batchNorm: true, upsampling });
    const noise = (step: number) => ({
      noise: given(`eps_z${step}`),
      attributeNoise: given(`eps_r${step}`),
    });
    const terms = (step: number) =>
      model.regressionTerms(
        given("x"),
        { ...noise(step), attribute: given("r_true") },
        model.use({ training: true }),
      );
    const constrained = () => constrainedOptimiser(kerasAdam(model), () => model.constrain());
    await fillModel(model);
    for (const mode of ["train", "eval"] as const) {
      const use = model.use({ training: mode === "train" });
      const found = tf.tidy(() => {
        const p = model.regress(given("x"), noise(0), use);
        return [p.mean, p.logVar, p.z, p.rMean, p.rLogVar, p.r, p.priorMean, p.priorLogVar].concat(
          model.points(p.z, {}, use),
        );
      });
      const names = ["z_mean", "z_log_var", "z", "r_mean", "r_log_var", "r", "pz_mean"]
        .concat("pz_log_var", `${upsampling}.y`);
      for (const [i, tensor] of found.entries()) {
        report.forward(`${mode}.${names[i]}`, await toHost(tensor));
      }
      tf.dispose(found);
    }
    await compareGeneration(report, model, { upsampling, given });
    const prefix = `train.${upsampling}`;
    const outcome = await tapeGradients(model.variables, () => terms(0));
    const losses = outcome.losses as unknown as Record<string, number>;
    report.relative(`${prefix}.recon_loss`, [losses.reconstruction], "loss");
    report.relative("train.kl_loss", [losses.divergence], "loss");
    report.relative("train.label_loss", [losses.label], "loss");
    report.relative(`${prefix}.total_beta1`, [losses.loss], "loss");
    report.relative(`${prefix}.total_beta4`, [losses.loss + 3 * losses.divergence], "loss");
    const first = constrained();
    first.step(outcome.gradients, 6.8e-4);
    first.dispose();
    const facts = await gradientFacts(model, outcome.gradients, order);
    report.relative(`${prefix}.grad_norms`, facts.norms, "gradientNorm", skipped);
    report.relative(`${prefix}.grad_global_norm`, facts.global, "gradientNorm");
    report.gradientSamples(`${prefix}.grad_samples`, facts.samples, skipped);
    const judged = { order, gradients: `${prefix}.grad_samples`, skipped };
    const after = `${prefix}.adam_lr6.8e-4.after1`;
    await compareParameters(report, model, after, judged);
    const state = await model.stateDict();
    for (const name of ["pz_mean", "pz_log_var"]) {
      for (const [ours, theirs] of [["weight", "kernel"], ["bias", "bias"]]) {
        const values = state.get(`generator.${name}.${ours}`)!.data as Float32Array;
        report.absolute(`${after}.generator.${name}.${theirs}`, values, 2e-6);
      }
    }
    await fillModel(model);
    const path = await train(model, terms, { optimiser: constrained(), rate: 2e-6, steps: 2 });
    report.relative(
      `${prefix}.adam_lr2e-6.total_recon_kl_label`,
      path.flatMap(({ loss, reconstruction, divergence, label }) => [
        loss,
        reconstruction,
        divergence,
        label,
      ]),
      "trajectory",
    );
    await compareParameters(report, model, `${prefix}.adam_lr2e-6.after2`, judged);
    model.dispose();
  }
}

async function compareGeneration(
  report: StreamlineReport,
  model: RegressionVae,
  { upsampling, given }: {
    readonly upsampling: string;
    readonly given: (name: string) => tf.Tensor;
  },
): Promise<void> {
  for (const weights of ["free", "constrained"]) {
    if (weights === "constrained") model.constrain();
    const use = model.use();
    const found = tf.tidy(() => {
      const { mean, logVar } = model.priorAt(given("gen.r"), use);
      const z = tf.add(mean, tf.mul(tf.exp(tf.mul(logVar, 0.5)), given("gen.eps")));
      return [mean, logVar, z, model.points(z, {}, use)];
    });
    for (const [i, name] of ["pz_mean", "pz_log_var", "z"].entries()) {
      report.forward(`gen.${weights}.${name}`, await toHost(found[i]));
    }
    const y = await toHost(found[3]);
    if (weights === "free") report.forward(`gen.free.${upsampling}.y_sample`, samplesOf(y, 256));
    else report.forward(`gen.constrained.${upsampling}.y`, y);
    tf.dispose(found);
  }
  await fillModel(model);
}

const COMPARISONS = {
  ae: compareAutoencoder,
  vae: compareVae,
  cond_vae: compareRegression,
} as const;

for (const [fixture, compare] of Object.entries(COMPARISONS)) {
  await forEachBackend(`streamlines: every array of ${fixture}`, async (engine: ActiveEngine) => {
    const report = new StreamlineReport(fixture, engine.name);
    await compare(report);
    const left = report.fixture.names.filter((name) => !NIGHTLY && name.includes("linear"));
    report.finish({ except: left });
  }, { engines: ENGINES });
}
