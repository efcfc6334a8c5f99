/**
 * Every array of the nidl fixtures: the VAE's forward pass, losses, gradients, two optimiser runs, six whole fits, the loss alone,
 * and its numeric edges, compared with float64 values of an independent PyTorch implementation.
 */
import type { NdArray, NumericArray } from "../../src/base/arrays.ts";
import { asFloats, type StateDict, toFileOrder } from "../../src/parameters/state_dict.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { Bernoulli, type DistributionName } from "../../src/losses/distributions.ts";
import { BetaVAELoss } from "../../src/losses/beta_vae_loss.ts";
import { VAE, type VAEOptions } from "../../src/models/vae/mod.ts";
import { activation, dense } from "../../src/networks/layers.ts";
import { convDecoder, convEncoder } from "../../src/networks/ready_networks.ts";
import { sequential } from "../../src/networks/sequential.ts";
import { assemble } from "../../src/models/vae/assembly.ts";
import { resolveOptions } from "../../src/models/vae/options.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { tapeGradients } from "../../src/training/tape_gradients.ts";
import { forEachBackend } from "../support/engines.ts";
import { readFixture } from "../support/fixture_tensors.ts";
import { NidlReport } from "../support/nidl_report.ts";

const ENGINES = { engines: ["cpu", "reference", "wasm", "webgpu", "tensorflow"] } as const;
const DISTRIBUTIONS: readonly DistributionName[] = ["normal", "laplace", "bernoulli"];
/** `[B, C, X, Y, Z]` ↔ `[B, Z, Y, X, C]`: all axes but the first in reverse. */
function reversed({ data, shape: [batch, ...axes] }: NdArray): NdArray {
  const entry = { axisGroups: [[batch], axes] } as unknown as Parameters<typeof toFileOrder>[0];
  return { data: toFileOrder(entry, data), shape: [batch, ...axes.toReversed()] };
}

async function fileOrder(
  tensor: tf.Tensor,
  axes: readonly number[] = tensor.shape.slice(1).toReversed(),
) {
  const entry = { axisGroups: [[tensor.shape[0]], axes] } as unknown as Parameters<
    typeof toFileOrder
  >[0];
  return toFileOrder(entry, await toHost(tensor));
}

function parameters(name: string): StateDict {
  const fixture = readFixture(name, "nidl");
  return new Map(fixture.names.map((key) => [key, fixture.get(key)]));
}

const CONV_SHAPE = { shape: [8, 10, 8], widths: [4, 8] };
const inputs = readFixture("conv_inputs", "nidl");

function convVae(defaultDist: DistributionName, options: Partial<VAEOptions> = {}): VAE {
  const vae = new VAE({
    encoder: convEncoder(CONV_SHAPE),
    decoder: convDecoder({
      ...CONV_SHAPE,
      latentDim: 6,
      outputActivation: defaultDist === "bernoulli" ? "sigmoid" : "none",
    }),
    encoderOutDim: 96,
    latentDim: 6,
    defaultDist,
    ...options,
  });
  vae.loadStateDict(parameters("conv_params"));
  return vae;
}

function entriesOf(vae: VAE) {
  return assemble(resolveOptions(vae.options)).entries;
}

function epsilon(step: number): Float32Array {
  const { data, shape: [, batch, width] } = inputs.floats("eps");
  return data.slice(step * batch * width, (step + 1) * batch * width) as Float32Array;
}

async function scalars(terms: Record<string, tf.Tensor>): Promise<number[]> {
  const { rec_loss, kl_loss, loss } = terms;
  const values = await Promise.all([rec_loss, kl_loss, loss].map(toHost));
  tf.dispose(terms);
  return values.map(([value]) => value);
}

async function compareForward(report: NidlReport, dist: DistributionName, x: NdArray) {
  for (const beta of [1, 4]) {
    const vae = convVae(dist, { beta });
    const input = toTensor(x.data, x.shape);
    const eps = toTensor(epsilon(0), [4, 6]);
    const axes: Record<string, readonly number[]> = { h: [8, 2, 3, 2] };
    const parts: Record<string, tf.Tensor> = {};
    const use = (part: string) => ({
      tensor: (key: string) => vae.variables.get(`${part}.${key}`)!,
      training: false,
      draw: undefined as never,
    });
    // The pass of `trainingStep`, taken apart: each intermediate as a variable of its own.
    parts.h = vae.encoder.forward(input, use("encoder")) as tf.Tensor;
    const q = vae.posterior(input);
    parts.mu = q.mean;
    parts.logvar = q.logVar;
    parts.std = tf.exp(tf.mul(q.logVar, 0.5));
    parts.z = vae.forward(input, { noise: epsilon(0) });
    parts.dec_out = vae.decodeTensor(parts.z) as tf.Tensor;
    const criterion = new BetaVAELoss({ beta, defaultDist: dist });
    const head = (h: tf.Tensor, { weight, bias }: { weight: tf.Tensor; bias: tf.Tensor }) =>
      tf.add(tf.matMul(h as tf.Tensor2D, weight as tf.Tensor2D, false, true), bias);
    const lossAt = (mu: tf.Tensor, logVar: tf.Tensor) => {
      const z = tf.add(mu, tf.mul(eps, tf.exp(tf.mul(logVar, tf.scalar(0.5)))));
      return criterion.compute(input, vae.decodeTensor(z), { mean: mu, logVar }).loss;
    };
    const gradient = (f: (...at: tf.Tensor[]) => tf.Tensor, at: tf.Tensor[]) =>
      tf.grads(f as (...at: tf.Tensor[]) => tf.Tensor)(at);
    const [dMu, dLogVar] = gradient(lossAt, [parts.mu, parts.logvar]);
    const [dZ] = gradient(
      (z) => criterion.reconstructionLoss(input, vae.decodeTensor(z)),
      [parts.z],
    );
    const [dOut] = gradient((p) => criterion.reconstructionLoss(input, p), [parts.dec_out]);
    const [dH] = gradient((h) => lossAt(head(h, vae.fcMu), head(h, vae.fcLogVar)), [parts.h]);
    const found = { mu: dMu, logvar: dLogVar, z: dZ, dec_out: dOut, h: dH };
    for (const [name, tensor] of Object.entries(found)) {
      report.compare(`dgrad_beta${beta}.${name}`, await fileOrder(tensor, axes[name]), "gradients");
    }
    for (const [name, tensor] of Object.entries(parts)) {
      report.compare(name, await fileOrder(tensor, axes[name]), "forward");
    }
    const { losses, gradients } = await tapeGradients(
      vae.variables,
      () => vae.trainingStep(x, 0, { noise: epsilon(0) }),
    );
    report.compare("rec_loss", [losses.rec_loss], "losses");
    report.compare("kl_loss", [losses.kl_loss], "losses");
    report.compare(`loss_beta${beta}`, [losses.loss], "losses");
    for (const entry of entriesOf(vae)) {
      const values = toFileOrder(entry, await toHost(gradients.get(entry.key)!));
      report.compare(`grad_beta${beta}.${entry.key}`, values, "gradients");
    }
    tf.dispose([
      ...gradients.values(),
      input,
      eps,
      ...Object.values(parts),
      ...Object.values(found),
    ]);
    vae.dispose();
  }
}

async function compareActivations(report: NidlReport, dist: DistributionName, x: NdArray) {
  const vae = convVae(dist);
  const input = toTensor(x.data, x.shape);
  const { relu, conv3d, convTranspose3d, linear } = await import("../../src/ops/mod.ts");
  const v = (key: string) => vae.variables.get(key)!;
  const enc1 = relu(
    conv3d(input, v("encoder.conv1.weight"), {
      bias: v("encoder.conv1.bias"),
      stride: 2,
      padding: 1,
    }),
  );
  report.compare("act.enc1", await fileOrder(enc1), "forward");
  const z = vae.forward(input, { noise: epsilon(0) });
  const fc = relu(linear(z, v("decoder.fc.weight"), { bias: v("decoder.fc.bias") }));
  const dec1 = relu(
    convTranspose3d(tf.reshape(fc, [4, 2, 3, 2, 8]), v("decoder.deconv1.weight"), {
      bias: v("decoder.deconv1.bias"),
      stride: 2,
      padding: 1,
      outputPadding: [1, 0, 1],
    }),
  );
  report.compare("act.dec1", await fileOrder(dec1), "forward");
  const out = await vae.decode(inputs.floats("z_sample"));
  report.compare("sample_out", reversed(out).data, "forward");
  vae.dispose();
}

const RUNS = {
  A: { beta: 1, lr: 1e-4, weightDecay: 0.01 },
  B: { beta: 4, lr: 5e-3, weightDecay: 0.1 },
} as const;

async function compareRuns(report: NidlReport, dist: DistributionName, x: NdArray) {
  for (const [run, options] of Object.entries(RUNS)) {
    const vae = convVae(dist, options);
    const entries = entriesOf(vae);
    const [optimiser] = vae.configureOptimizers();
    assertEquals(optimiser.name, "adamw");
    const losses: number[] = [];
    const compareParameters = async (after: number) => {
      const state = await vae.stateDict();
      for (const { key } of entries) {
        const name = `run${run}.param_after${after}.${key}`;
        if (!report.fixture.names.includes(name)) continue;
        report.compare(name, asFloats(state.get(key)!.data), "parameters");
      }
    };
    for (let step = 0; step < 3; step++) {
      const { losses: terms, gradients } = await tapeGradients(
        vae.variables,
        () => vae.trainingStep([x, [0, 1, 2, 3]], step, { noise: epsilon(step) }),
      );
      losses.push(terms.rec_loss, terms.kl_loss, terms.loss);
      optimiser.step(gradients, options.lr);
      tf.dispose([...gradients.values()]);
      await compareParameters(step + 1);
    }
    losses.push(...await scalars(vae.validationStep(x, 3, { noise: epsilon(3) })));
    report.compare(`run${run}.losses`, losses, "losses");
    const { tensors } = await optimiser.state();
    for (const entry of entries) {
      const moments = { exp_avg: "first", exp_avg_sq: "second" } as const;
      for (const [name, slot] of Object.entries(moments)) {
        const full = `run${run}.${name}.${entry.key}`;
        if (!report.fixture.names.includes(full)) continue;
        const { data } = tensors.get(`${slot}.${entry.key}`)!;
        report.compare(full, toFileOrder(entry, data), "gradients");
      }
    }
    optimiser.dispose();
    vae.dispose();
  }
}

for (const dist of DISTRIBUTIONS) {
  await forEachBackend(`nidl conv ${dist}: every array`, async ({ name }) => {
    const fixture = readFixture(`conv_${dist}.f64`, "nidl");
    const report = new NidlReport(fixture, `conv ${dist}`, name);
    const x = reversed(inputs.floats(dist === "bernoulli" ? "x_unit" : "x_cont"));
    await compareForward(report, dist, x);
    await compareActivations(report, dist, x);
    await compareRuns(report, dist, x);
    report.finish();
  }, ENGINES);
}

/** Takes ε from a list, row by row, in the order in which batches come. */
class ListedNoise extends VAE {
  readonly drawn = { training: 0, validation: 0 };

  override trainingStep(...[batch, index, options]: Parameters<VAE["trainingStep"]>) {
    return super.trainingStep(batch, index, { ...options, noise: this.#next("training", batch) });
  }

  override validationStep(...[batch, index, options]: Parameters<VAE["validationStep"]>) {
    return super.validationStep(batch, index, {
      ...options,
      noise: this.#next("validation", batch),
    });
  }

  #next(part: "training" | "validation", batch: unknown): Float32Array {
    const rows = (batch as NdArray).shape[0];
    const { data } = fitInputs.floats(part === "training" ? "eps_train" : "eps_val");
    const from = this.drawn[part];
    this.drawn[part] += rows;
    return data.slice(2 * from, 2 * (from + rows)) as Float32Array;
  }
}

const fitInputs = readFixture("dense_inputs", "nidl");
const FITS = {
  fit1: { beta: 1, lr: 1e-3, weightDecay: 0 },
  fit2: { beta: 4, lr: 0.01, weightDecay: 0.05 },
} as const;

function batchesOf(name: string, sizes: readonly number[]): NdArray[] {
  const { data } = fitInputs.floats(name);
  let row = 0;
  return sizes.map((size) => {
    const part = { data: data.slice(25 * row, 25 * (row + size)), shape: [size, 25] };
    row += size;
    return part;
  });
}

await forEachBackend("nidl dense: six whole fits", async ({ name }) => {
  const report = new NidlReport(readFixture("dense_fit.f64", "nidl"), "dense fits", name);
  for (const dist of DISTRIBUTIONS) {
    for (const [fit, options] of Object.entries(FITS)) {
      const steps: number[] = [];
      const validated: tf.Tensor[] = [];
      const epochs: number[] = [];
      const vae = new ListedNoise({
        encoder: sequential({ lin: dense(4), act: activation("relu") }, { input: [25] }),
        decoder: sequential({
          lin: dense(25),
          act: activation(dist === "bernoulli" ? "sigmoid" : "none"),
        }, { input: [2] }),
        encoderOutDim: 4,
        latentDim: 2,
        defaultDist: dist,
        maxEpochs: 2,
        numSanityValSteps: 0,
        logEveryNSteps: 1,
        stochasticTransform: false,
        ...options,
        callbacks: {
          onLog: (_, { metrics: m }) => {
            steps.push(m["train/rec_loss"], m["train/kl_loss"], m["train/loss"]);
          },
          onEpochEnd: (_, { metrics: m }) => {
            epochs.push(m["val/rec_loss"], m["val/kl_loss"], m["val/loss"]);
          },
        },
      });
      vae.loadStateDict(parameters("dense_params"));
      const validation = {
        *batches() {
          yield* batchesOf("x_val", [3, 3, 1]);
        },
      };
      const train = batchesOf("x_train", [4, 4, 2]);
      const own = vae.validationStep.bind(vae);
      vae.validationStep = (...call) => {
        const terms = own(...call);
        for (const key of ["rec_loss", "kl_loss", "loss"] as const) {
          validated.push(tf.keep(terms[key].clone()));
        }
        return terms;
      };
      assertEquals(await vae.fit(train, validation), vae);
      const prefix = `${dist}.${fit}`;
      report.compare(`${prefix}.train_losses`, steps, "fit");
      const values = await Promise.all(validated.map(toHost));
      tf.dispose(validated);
      report.compare(`${prefix}.val_batch_losses`, values.map(([value]) => value), "fit");
      report.compare(`${prefix}.val_epoch_losses`, epochs, "fit");
      const state: ReadonlyMap<string, NdArray<NumericArray>> = await vae.stateDict();
      for (const [key, { data }] of state) {
        report.compare(`${prefix}.param_final.${key}`, asFloats(data), "fit");
      }
      report.compare(`${prefix}.transform_mean`, (await vae.transform(train)).data, "fit");
      vae.stochasticTransform = true;
      const all = fitInputs.floats("x_train");
      const noise = fitInputs.floats("eps_transform").data;
      const z = vae.transformStep(all, 0, { noise });
      report.compare(`${prefix}.transform_stochastic`, await toHost(z), "fit");
      vae.dispose();
    }
  }
  report.finish();
}, ENGINES);

await forEachBackend("nidl loss cases: every array", async ({ name }) => {
  const fixture = readFixture("loss_cases.f64", "nidl");
  const report = new NidlReport(fixture, "loss cases", name);
  const given = (key: string) => {
    const { data, shape } = fixture.floats(key);
    return toTensor(data, shape);
  };
  const INPUTS = {
    normal: ["x_cont", "p_cont", "mu", "logvar"],
    laplace: ["x_cont", "p_cont", "mu", "logvar"],
    bernoulli: ["x_unit", "p_unit", "mu", "logvar"],
    normal5d: ["x5d", "p5d", "mu3d", "logvar3d"],
    laplace5d: ["x5d", "p5d", "mu3d", "logvar3d"],
  };
  for (const [prefix, names] of Object.entries(INPUTS)) {
    const [x, ...at] = names.map(given);
    const defaultDist = prefix.replace("5d", "") as DistributionName;
    for (const beta of [0, 1, 4]) {
      const [p, mean, logVar] = at;
      const terms = new BetaVAELoss({ beta, defaultDist }).compute(x, p, { mean, logVar });
      report.compare(`${prefix}.loss_beta${beta}`, await toHost(terms.loss), "losses");
      report.compare(`${prefix}.rec_loss`, await toHost(terms.rec_loss), "losses");
      report.compare(`${prefix}.kl_loss`, await toHost(terms.kl_loss), "losses");
    }
    const loss = new BetaVAELoss({ defaultDist });
    const gradients = tf.grads((p, mean, logVar) => loss.compute(x, p, { mean, logVar }).loss)(at);
    for (const [i, key] of ["p", "mu", "logvar"].entries()) {
      report.compare(`${prefix}.dgrad_beta4.${key}`, await toHost(gradients[i]), "gradients");
    }
  }
  const bernoulli = new BetaVAELoss({ defaultDist: "bernoulli" });
  const logits = given("logits");
  const fromLogits = (l: tf.Tensor) =>
    bernoulli.reconstructionLoss(given("x_unit"), new Bernoulli({ logits: l }));
  report.compare("bern_logits.probs", await toHost(new Bernoulli({ logits }).probs), "forward");
  report.compare("bern_logits.rec_loss", await toHost(fromLogits(logits)), "losses");
  report.compare(
    "bern_logits.dgrad.logits",
    await toHost(tf.grad(fromLogits)(logits)),
    "gradients",
  );
  const { data: satX } = fixture.floats("sat_x");
  const { data: satP } = fixture.floats("sat_p");
  const saturated: number[] = [];
  const slopes: number[] = [];
  for (let i = 0; i < satX.length; i++) {
    const one = (values: typeof satX) => toTensor(values.slice(i, i + 1), [1, 1]);
    const f = (p: tf.Tensor) => bernoulli.reconstructionLoss(one(satX), p);
    saturated.push((await toHost(f(one(satP))))[0]);
    slopes.push((await toHost(tf.grad(f)(one(satP))))[0]);
  }
  report.compare("sat.elementwise", saturated, "losses");
  report.compare("sat.dgrad.p", slopes, "gradients");
  const laplace = new BetaVAELoss({ defaultDist: "laplace" });
  const zero = (p: tf.Tensor) => laplace.reconstructionLoss(given("x_cont"), p);
  report.compare("laplace_zero.rec_loss", await toHost(zero(given("x_cont"))), "losses");
  report.compare("laplace_zero.dgrad.p", await toHost(tf.grad(zero)(given("x_cont"))), "gradients");
  const kl = (mean: number) =>
    laplace.klDivergence({ mean: tf.fill([4, 3], mean), logVar: tf.zeros([4, 3]) });
  report.compare("kl_std_normal", await toHost(kl(0)), "losses");
  report.compare("kl_mu2", await toHost(kl(2)), "losses");
  report.finish(fixture.names.filter((key) => !key.includes(".")));
}, ENGINES);

const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

interface EdgeRow {
  readonly logvar: number;
  readonly f64: { readonly kl: number; readonly dkl_dlogvar: number };
}

await forEachBackend("nidl edges: the direct form of the divergence", async ({ name }) => {
  const manifest = new URL("fixtures/nidl/manifest.json", import.meta.url);
  const { kl_logvar_edges: { rows } } = JSON.parse(Deno.readTextFileSync(manifest)) as {
    kl_logvar_edges: { rows: EdgeRow[] };
  };
  assertEquals(rows.length, 18);
  const loss = new BetaVAELoss();
  for (const { logvar, f64 } of rows) {
    const at = toTensor(Float64Array.of(logvar), [1, 1]);
    const f = (logVar: tf.Tensor) => loss.klDivergence({ mean: tf.zeros([1, 1]), logVar });
    const [value] = await toHost(f(at));
    const [slope] = await toHost(tf.grad(f)(at));
    const agrees = (found: number, wanted: number) =>
      Math.exp(logvar) > LARGEST_FLOAT32 && name !== "reference"
        ? found === Infinity
        : Math.abs(found - wanted) <= 5e-6 * Math.max(1, Math.abs(wanted));
    assert(agrees(value, f64.kl), `kl at ${logvar}: ${value}, needs ${f64.kl}`);
    assert(agrees(slope, f64.dkl_dlogvar), `slope at ${logvar}: ${slope}`);
  }
}, ENGINES);

Deno.test("AdamW is told from decay that is added to the gradient", async () => {
  const { selectBackend } = await import("../../src/backends/registry.ts");
  await selectBackend("cpu");
  const x = reversed(inputs.floats("x_cont"));
  const { lr, weightDecay } = RUNS.B;
  const vae = convVae("normal", RUNS.B);
  const optimiser = createOptimiser("adam", vae.variables, { weightDecay });
  for (let step = 0; step < 3; step++) {
    const { gradients } = await tapeGradients(
      vae.variables,
      () => vae.trainingStep(x, step, { noise: epsilon(step) }),
    );
    optimiser.step(gradients, lr);
    tf.dispose([...gradients.values()]);
  }
  const state = await vae.stateDict();
  const fixture = readFixture("conv_normal.f64", "nidl");
  const worst = Math.max(...[...state].map(([key, { data }]) => {
    const wanted = fixture.floats(`runB.param_after3.${key}`).data;
    return Math.max(...asFloats(data).map((value, i) => Math.abs(value - wanted[i])));
  }));
  assert(Math.abs(worst / 0.02767 - 1) < 1e-3, `differs by ${worst}, as the manifest says`);
});
