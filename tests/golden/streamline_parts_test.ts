/** Operations, attribute regularisation, sampling and filtering against every array of their fixtures. */
import type { ActiveEngine, BackendName } from "../../src/backends/engine.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toScalar, toTensor } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { chooseThreshold, rocCurve } from "../../src/evaluation/distance_thresholds.ts";
import { nearestNeighbours } from "../../src/evaluation/nearest_neighbours.ts";
import {
  conditionalProbabilities,
  jointProbabilities,
  tsneGradient,
} from "../../src/evaluation/tsne.ts";
import { transformPoints } from "../../src/formats/trk.ts";
import { Gaussian, KernelDensity, momentsOf, pooledSilverman } from "../../src/linalg/densities.ts";
import { acceptProposals, logScale } from "../../src/linalg/rejection_sampling.ts";
import { binaryCrossEntropy } from "../../src/losses/pointwise.ts";
import {
  type AttributeFormula,
  attributeRegularisation,
} from "../../src/models/streamlines/attribute_regularisation.ts";
import { StreamlineAutoencoder } from "../../src/models/streamlines/autoencoder.ts";
import { NORM_EPSILON } from "../../src/models/streamlines/network.ts";
import { gaussianMixturePrior, swissRollPrior } from "../../src/models/streamlines/prior.ts";
import { safeExp } from "../../src/models/streamlines/safe_exponential.ts";
import { conditionTensor } from "../../src/models/streamlines/variational.ts";
import { completeConfig } from "../../src/models/streamlines/config.ts";
import { leakyRelu } from "../../src/ops/activations.ts";
import { conv1d } from "../../src/ops/convolution.ts";
import { batchNormActivation, fixedNormActivation } from "../../src/ops/norm_activation.ts";
import { reflectPad } from "../../src/ops/padding.ts";
import { slice } from "../../src/ops/parts.ts";
import { upsampleLinear, upsampleNearest } from "../../src/ops/upsampling.ts";
import { constrainedOptimiser } from "../../src/training/constrained_optimiser.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { tapeGradients } from "../../src/training/tape_gradients.ts";
import { forEachBackend } from "../support/engines.ts";
import { fillModel, gradientFacts } from "../support/filled_streamline_model.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { readStreamlineFixture } from "../support/streamline_fixtures.ts";
import { StreamlineReport } from "../support/streamline_report.ts";

const ALL: readonly BackendName[] = ["cpu", "reference", "wasm", "webgpu"];
const LARGE: readonly BackendName[] = NIGHTLY ? ALL : ["wasm"];

/** Makes tensors of a fixture's arrays, and says that they were given. */
function giver(report: StreamlineReport) {
  return (name: string) => {
    report.given(name);
    const { fixture } = report;
    return toTensor(Float32Array.from(fixture.numbers(name)), fixture.shape(name));
  };
}

async function hostOf(compute: () => tf.Tensor): Promise<number[]> {
  const tensor = tf.tidy(compute);
  const values = Array.from(await toHost(tensor));
  tensor.dispose();
  return values;
}

await forEachBackend("streamlines: every array of ops", async (engine: ActiveEngine) => {
  const report = new StreamlineReport("ops", engine.name);
  const given = giver(report);
  const compare = async (name: string, compute: () => tf.Tensor) =>
    report.forward(name, await hostOf(compute));
  /** Gradient of Σ y·grad_out. */
  const pulled = (run: (x: tf.Tensor) => tf.Tensor, dy: string) => () =>
    tf.grad((x: tf.Tensor) => tf.sum(tf.mul(run(x), given(dy))))(given("x"));
  await compare("reflect_pad1", () => reflectPad(given("x"), 1));
  await compare(
    "reflect_pad1.grad_in",
    pulled((x) => reflectPad(x, 1), "reflect_pad1.grad_out"),
  );
  const reflected = { padding: 1, paddingMode: "reflect" } as const;
  const bias = () => ({ bias: given("bias") });
  for (const stride of [1, 2]) {
    await compare(
      `conv_s${stride}`,
      () => conv1d(given("x"), given("kernel"), { ...reflected, ...bias(), stride }),
    );
  }
  await compare(
    "conv_same_zero_pad",
    () => conv1d(given("x"), given("kernel"), { ...bias(), padding: 1 }),
  );
  const upsamplings = { nearest: upsampleNearest, linear: upsampleLinear };
  for (const [name, upsample] of Object.entries(upsamplings)) {
    await compare(`up.${name}`, () => upsample(given("x"), 2));
    await compare(`up.${name}.grad_in`, pulled((x) => upsample(x, 2), "up.grad_out"));
  }
  await compare("up.linear_torch_align_corners_false", () => upsampleLinear(given("x"), 2));
  await compare(
    "up.linear_align_corners_true_NOT_USED",
    () => upsampleLinear(given("x"), 2, { alignCorners: true }),
  );
  await compare(
    "flatten.channel_major",
    () => tf.reshape(tf.transpose(given("x"), [0, 2, 1]), [2, 24]),
  );
  await compare("flatten.time_major", () => tf.reshape(given("x"), [2, 24]));
  await compare("leaky_relu_0.3", () => leakyRelu(given("x"), { slope: 0.3 }));
  await compareNorm(report, given, compare);
  await compare("safe_exp.y", () => safeExp(given("safe_exp.x")));
  await compare(
    "safe_exp.grad",
    () => tf.grad((x: tf.Tensor) => tf.sum(safeExp(x)))(given("safe_exp.x")),
  );
  for (const label of [0, 1]) {
    const logits = report.fixture.numbers("bce.logits");
    const values: number[] = [];
    for (const logit of logits) {
      const one = () => toTensor(Float32Array.of(logit), [1]);
      values.push(
        ...await hostOf(() => binaryCrossEntropy(one(), toTensor(Float32Array.of(label), [1]))),
      );
    }
    report.forward(`bce.label${label}`, values);
  }
  report.given("bce.logits");
  await compareAdam(report);
  await compareConstraints(report, given);
  report.finish();
}, { engines: ALL });

async function compareNorm(
  report: StreamlineReport,
  given: (name: string) => tf.Tensor,
  compare: (name: string, compute: () => tf.Tensor) => Promise<void>,
): Promise<void> {
  const affine = () => ({ gamma: given("bn.gamma"), beta: given("bn.beta") });
  const constants = { epsilon: NORM_EPSILON, activation: "none" } as const;
  const part = (name: "y" | "mean" | "variance") => () =>
    batchNormActivation(given("x"), affine(), constants)[name];
  await compare("bn.train_out", part("y"));
  await compare("bn.batch_mean", part("mean"));
  await compare("bn.batch_var_biased", part("variance"));
  await compare("bn.eval_out", () =>
    fixedNormActivation(given("x"), affine(), {
      ...constants,
      mean: given("bn.moving_mean"),
      variance: given("bn.moving_var"),
    }));
  for (const [moving, batch] of [["mean", "mean"], ["var", "variance"]] as const) {
    const now = await hostOf(part(batch));
    const before = report.fixture.numbers(`bn.moving_${moving}`);
    const after = before.map((value, c) => 0.99 * value + 0.01 * now[c]);
    report.forward(`bn.moving_${moving}_after`, after);
  }
}

async function compareAdam(report: StreamlineReport): Promise<void> {
  const gradients = report.fixture.numbers("adam.grads");
  const start = report.fixture.numbers("adam.p0");
  report.given("adam.grads", "adam.p0");
  const keras = { epsilon: 1e-7, rawEpsilon: true };
  const rules = {
    "adam.keras_no_decay.lr0.01": ["adam", keras],
    "adam.keras_decoupled_wd0.13.lr0.01": ["adamw", { ...keras, weightDecay: 0.13 }],
    "adam.torch_coupled_l2_0.13.lr0.01": ["adam", { weightDecay: 0.13 }],
  } as const;
  for (const [name, [kind, options]] of Object.entries(rules)) {
    const variable = tf.variable(toTensor(Float32Array.from(start), [6]));
    const optimiser = createOptimiser(kind, new Map([["p", variable]]), options);
    const path: number[] = [];
    for (let step = 0; step < 5; step++) {
      const g = toTensor(Float32Array.from(gradients.slice(6 * step, 6 * step + 6)), [6]);
      optimiser.step(new Map([["p", g]]), 0.01);
      path.push(...await toHost(variable));
    }
    report.forward(name, path);
    optimiser.dispose();
    variable.dispose();
  }
}

/** The constraints as projections behind an optimiser whose updates change nothing. */
async function compareConstraints(
  report: StreamlineReport,
  given: (name: string) => tf.Tensor,
): Promise<void> {
  const w = () => given("constraint.w");
  const unit = (v: tf.Tensor) =>
    tf.div(v, tf.add(tf.sqrt(tf.sum(tf.square(v), 0, true)), toScalar(1e-7)));
  const row = () => slice(w(), { length: 1 });
  const cases = {
    "constraint.unit_norm_axis0": [w, unit],
    "constraint.unit_norm_single_row": [row, unit],
    "constraint.max_norm0": [w, (v: tf.Tensor) => tf.zerosLike(v)],
  } as const;
  for (const [name, [start, project]] of Object.entries(cases)) {
    const variable = tf.variable(tf.tidy(start));
    const inner = createOptimiser("sgd", new Map([["w", variable]]), {});
    const optimiser = constrainedOptimiser(
      inner,
      () => tf.tidy(() => variable.assign(project(variable))),
    );
    optimiser.step(new Map([["w", tf.zerosLike(variable)]]), 1);
    report.forward(name, await toHost(variable));
    optimiser.dispose();
    variable.dispose();
  }
}

await forEachBackend("streamlines: every array of attr_reg", async (engine: ActiveEngine) => {
  const report = new StreamlineReport("attr_reg", engine.name);
  const given = giver(report);
  const formulas: Record<string, { formula: AttributeFormula; delta?: number }> = {
    raw_signed: { formula: "raw-signed" },
    raw_abs: { formula: "raw-abs" },
    "tanh_sign.delta1": { formula: "sign-tanh", delta: 1 },
    "tanh_sign.delta10": { formula: "sign-tanh", delta: 10 },
  };
  for (const name of ["pair2", "random12", "single1", "ties5", "zscored8"]) {
    const loss = (z: tf.Tensor, options: typeof formulas[string]) =>
      attributeRegularisation(z, given(`${name}.attribute`), options);
    for (const [key, options] of Object.entries(formulas)) {
      const value = await hostOf(() => loss(given(`${name}.z`), options));
      report.forward(`${name}.${key}.loss`, value);
      const gradient = await hostOf(() =>
        tf.grad((z: tf.Tensor) => loss(z, options))(given(`${name}.z`))
      );
      report.forward(`${name}.${key}.grad_z`, gradient);
    }
    for (const [key, source] of [["D_r", "z"], ["D_a", "attribute"]]) {
      const values = report.fixture.numbers(`${name}.${source}`);
      report.forward(`${name}.${key}`, values.flatMap((a) => values.map((b) => a - b)));
    }
  }
  report.finish({ except: report.fixture.names.filter((name) => name.startsWith("encoder_")) });
}, { engines: ALL });

await forEachBackend("streamlines: attr_reg through the encoder", async (engine: ActiveEngine) => {
  const report = new StreamlineReport("attr_reg", engine.name);
  const ae = readStreamlineFixture("ae");
  const cond = readStreamlineFixture("cond_vae");
  const order: string[] = JSON.parse(report.fixture.metadata.encoder_param_order);
  const model = new StreamlineAutoencoder();
  await fillModel(model);
  const formulas = {
    raw_signed: { formula: "raw-signed" },
    "tanh_sign.delta1": { formula: "sign-tanh" },
    "tanh_sign.delta10": { formula: "sign-tanh", delta: 10 },
  } as const;
  for (const [key, options] of Object.entries(formulas)) {
    const outcome = await tapeGradients(model.variables, () => {
      const x = toTensor(Float32Array.from(ae.numbers("x")), [3, 256, 3]);
      const z = model.code(x, model.use());
      const first = tf.reshape(slice(z, { axis: 1, begin: 0, length: 1 }), [-1]);
      const lengths = toTensor(Float32Array.from(cond.numbers("length_mm")), [3]);
      return { loss: attributeRegularisation(first, lengths, options) };
    });
    const facts = await gradientFacts(model, outcome.gradients, order);
    report.relative(`encoder_dim0_length.${key}.loss`, [outcome.losses.loss], "loss");
    // Differences of codes do not see what is added to all of them: these gradients are zero but for rounding.
    const shifts = ["encoder.conv6.bias", "encoder.fc1.bias"].map((name) => order.indexOf(name));
    report.relative(
      `encoder_dim0_length.${key}.grad_norms`,
      facts.norms,
      "gradientNorm",
      shifts,
    );
  }
  model.dispose();
}, { engines: LARGE });

const CLASSES = Array.from({ length: 7 }, (_, i) => `bundle ${i}`);

Deno.test("golden: every array of sampling_filtering", () => {
  const report = new StreamlineReport("sampling_filtering", "float64");
  const { fixture } = report;
  const array = (name: string) => {
    report.given(name);
    return { data: Float64Array.from(fixture.numbers(name)), shape: [...fixture.shape(name)] };
  };
  const labels = fixture.numbers("prior.gm.labels");
  const normals = array("prior.gm.normals");
  report.given("prior.gm.labels");
  for (const [along, across] of [[0.5, 0.1], [1, 0.2]]) {
    const { data } = gaussianMixturePrior(normals, labels, { classes: 7, along, across });
    report.absolute(`prior.gm.z_ncls7_sx${along}_sy${across}`, data, 1e-7);
  }
  const spiral = swissRollPrior(array("prior.swiss.uniforms").data, labels, 7);
  report.absolute("prior.swiss.z_ncls7", spiral.data, 1e-12);
  compareDensities(report, array);
  compareFilter(report, array);
  compareTsne(report, array);
  report.finish();
});

type Given = (name: string) => { data: Float64Array; shape: number[] };

function compareDensities(report: StreamlineReport, array: Given): void {
  const { fixture } = report;
  const seeds = array("kde.seeds");
  const bandwidth = pooledSilverman(seeds);
  const [deviation, range] = fixture.numbers("kde.silverman_std_iqr_bw");
  report.absolute("kde.silverman_std_iqr_bw", [deviation, range, bandwidth], 1e-12);
  const query = array("kde.query");
  report.absolute("kde.logdens_bw0.5", new KernelDensity(seeds, 0.5).logDensity(query), 1e-12);
  const silverman = new KernelDensity(seeds, bandwidth);
  report.absolute("kde.logdens_silverman", silverman.logDensity(query), 1e-10);
  const index = fixture.numbers("kde.sample.idx");
  const normals = array("kde.sample.normals").data;
  report.given("kde.sample.idx");
  const drawn = normals.map((value, i) =>
    seeds.data[index[Math.floor(i / 4)] * 4 + (i % 4)] + 0.025 * value
  );
  report.absolute("kde.sample.bw0.025", drawn, 1e-14);
  const { mean, covariance } = momentsOf(seeds);
  report.absolute("rs.mean", mean, 1e-12);
  report.absolute("rs.cov", covariance, 1e-12);
  const proposal = new Gaussian(mean, covariance);
  const proposals = array("rs.proposals");
  const [logP, logQ] = [silverman.logDensity(proposals), proposal.logDensity(proposals)];
  report.absolute("rs.log_p", logP, 1e-10);
  report.absolute("rs.log_q", logQ, 1e-10);
  const uniforms = array("rs.uniforms").data;
  const atSeeds = [silverman.logDensity(seeds), proposal.logDensity(seeds)] as const;
  for (const [name, rule] of [["max", "max"], ["q75", 0.75]] as const) {
    const logM = logScale(...atSeeds, rule);
    report.absolute(`rs.factor_${name}`, [Math.exp(logM)], 1e-9);
    const accepted = acceptProposals(logP, { logQ, logM, uniforms });
    report.absolute(`rs.accept_${name}`, accepted.map(Number), 0);
  }
}

function compareFilter(report: StreamlineReport, array: Given): void {
  const { indices, distances } = nearestNeighbours(array("finta.query"), {
    references: array("finta.reference"),
  });
  report.absolute("finta.nn_index", indices, 0);
  report.absolute("finta.nn_distance", distances, 1e-12);
  const truth = report.fixture.numbers("finta.true_plausible");
  report.given("finta.true_plausible");
  const curve = rocCurve(distances, truth);
  report.absolute("finta.candidates", curve.candidates, 1e-12);
  report.absolute("finta.tpr", curve.truePositives, 1e-12);
  report.absolute("finta.fpr", curve.falsePositives, 1e-12);
  report.absolute("finta.accuracy", curve.accuracy, 1e-12);
  report.absolute("finta.auc", [curve.area], 1e-12);
  const rules = {
    "finta.threshold_maxacc_first": "accuracy",
    "finta.threshold_youden_first": "youden",
    "finta.threshold_tpr_eq_1_minus_fpr": "equal-error",
  } as const;
  for (const [name, rule] of Object.entries(rules)) {
    report.absolute(name, [chooseThreshold(curve, rule)], 1e-12);
  }
}

function compareTsne(report: StreamlineReport, array: Given): void {
  const [perplexity] = array("tsne.perplexity").data;
  const { probabilities, precisions } = conditionalProbabilities(array("tsne.x"), perplexity);
  report.absolute("tsne.beta", precisions, 1e-6);
  report.absolute("tsne.P_conditional", probabilities, 1e-7);
  const joint = jointProbabilities(probabilities);
  report.absolute("tsne.P_joint", joint, 1e-8);
  const y = array("tsne.y").data;
  const { gradient, cost } = tsneGradient(joint, y);
  report.absolute("tsne.kl", [cost], 1e-6);
  report.absolute("tsne.grad", gradient, 1e-8);
  report.absolute("tsne.grad_exaggeration12", tsneGradient(joint, y, 12).gradient, 1e-7);
}

Deno.test("golden: z-scores, metrics, classes and the original's writer of prep_metrics", async () => {
  await selectBackend("cpu");
  const report = new StreamlineReport("prep_metrics", "float64");
  const { fixture } = report;
  const x = fixture.numbers("zscore.x");
  const mean = x.reduce((a, b) => a + b) / x.length;
  const deviation = Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length);
  report.absolute("zscore.mean_std_ddof0", [mean, deviation], 1e-9);
  report.absolute("zscore.y", x.map((v) => (v - mean) / deviation), 1e-9);
  const labels = fixture.numbers("onehot.labels");
  const config = completeConfig({ classes: CLASSES });
  const hot = await hostOf(() => conditionTensor({ labels }, config, labels.length)!);
  report.absolute("onehot.y7", hot, 0);
  const [truth, predicted] = ["metrics.true", "metrics.pred"].map((name) => fixture.numbers(name));
  const square = (a: readonly number[], b: (i: number) => number) =>
    a.reduce((sum, v, i) => sum + (v - b(i)) ** 2, 0);
  const middle = truth.reduce((a, b) => a + b) / truth.length;
  const residual = square(truth, (i) => predicted[i]);
  report.absolute("metrics.mse_r2", [
    residual / truth.length,
    1 - residual / square(truth, () => middle),
  ], 1e-9);
  // What the original wrote: the image's affine applied to points that are in mm already.
  const points = Float32Array.from(fixture.numbers("writer_defect.ras_in"));
  transformPoints(points, fixture.numbers("writer_defect.base_affine"));
  report.absolute("writer_defect.ras_as_written", points, 1e-3);
});
