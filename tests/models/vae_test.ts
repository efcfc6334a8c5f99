/** The VAE as an estimator: nidl's own tests by name, and what nidl leaves to the user. */
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost } from "../../src/backends/tensors.ts";
import { CheckpointError, ConfigError, RecvaeError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import {
  activation,
  BaseEstimator,
  Bernoulli,
  BetaVAELoss,
  dense,
  EarlyStopping,
  Laplace,
  ModelCheckpoint,
  Normal,
  PredictorEstimator,
  sequential,
  TransformerEstimator,
  VAE,
  type VAEOptions,
} from "../../src/models/vae/mod.ts";
import { tapeGradients } from "../../src/training/tape_gradients.ts";
import { inFolder } from "../support/folders.ts";

await selectBackend("cpu");

const encoder = sequential({ lin: dense(4), act: activation("relu") }, { input: [25] });
const decoder = sequential({ lin: dense(25), act: activation("sigmoid") }, { input: [2] });

function build(options: Partial<VAEOptions> = {}): VAE {
  return new VAE({
    encoder,
    decoder,
    encoderOutDim: 4,
    latentDim: 2,
    beta: 1,
    lr: 1e-3,
    weightDecay: 0,
    maxEpochs: 2,
    ...options,
  });
}

function rows(count: number, seed = 1): { data: Float32Array; shape: number[] } {
  return { data: RandomStream.fromSeed(seed).uniforms(25 * count), shape: [count, 25] };
}

function batches(count: number, size: number) {
  return Array.from({ length: count }, (_, i) => rows(size, i + 1));
}

async function valueOf(tensor: tf.Tensor): Promise<number> {
  assertEquals(tensor.shape, []);
  return (await toHost(tensor))[0];
}

Deno.test("nidl: a default distribution that is none is refused, each of the three constructs", () => {
  const wrong = { defaultDist: "gamma" as "normal" };
  assertThrows(() => new BetaVAELoss(wrong), ConfigError, "gamma");
  for (const defaultDist of ["normal", "laplace", "bernoulli"] as const) {
    assertEquals(new BetaVAELoss({ defaultDist }).defaultDist, defaultDist);
  }
  assertEquals(new BetaVAELoss().beta, 4);
});

Deno.test("nidl: reconstruction under each distribution, and of what is none", async () => {
  const loss = new BetaVAELoss();
  const x = tf.tensor2d([[1, 2], [-1, 0.5]]);
  assertEquals(await valueOf(loss.reconstructionLoss(x, new Normal(x))), 0);
  assertEquals(await valueOf(loss.reconstructionLoss(x, new Laplace(x))), 0);
  const probs = tf.sigmoid(x);
  assert(await valueOf(loss.reconstructionLoss(probs, new Bernoulli({ logits: x }))) >= 0);
  for (const wrong of ["text", 3, [x]]) {
    assertThrows(() => loss.reconstructionLoss(x, wrong as unknown as tf.Tensor), TypeError);
  }
});

Deno.test("nidl: divergence of N(0, 1) is 0, of a mean of 2 above 0; loss = rec + beta·kl", async () => {
  const loss = new BetaVAELoss({ beta: 2 });
  const at = (mean: number) => new Normal(tf.fill([2, 3], mean), 1);
  assert(Math.abs(await valueOf(loss.klDivergence(at(0)))) < 1e-5);
  assert(Math.abs(await valueOf(loss.klDivergence(at(2))) - 6) < 1e-5);
  const x = tf.tensor2d([[1, 2, 3], [0, 1, 0]]);
  const terms = loss.compute(x, new Normal(tf.zerosLike(x)), at(2));
  assertEquals(Object.keys(terms).sort(), ["kl_loss", "loss", "rec_loss"]);
  const [rec, kl, all] = await Promise.all(
    [terms.rec_loss, terms.kl_loss, terms.loss].map(valueOf),
  );
  assert(Math.abs(all - rec - 2 * kl) < 1e-5);
});

Deno.test("nidl: the parts of a VAE have the right types, latentDim and beta are kept", () => {
  const vae = build();
  assertEquals([vae.encoder, vae.decoder], [encoder, decoder]);
  assertEquals(vae.fcMu.weight.shape, [2, 4]);
  assertEquals(vae.fcLogVar.bias.shape, [2]);
  assert(vae.criterion instanceof BetaVAELoss);
  assertEquals([vae.latentDim, vae.beta, vae.criterion.beta], [2, 1, 1]);
  const keys = ["encoder.lin", "decoder.lin", "fc_mu", "fc_logvar"];
  const expected = keys.flatMap((key) => [`${key}.weight`, `${key}.bias`]);
  assertEquals([...vae.variables.keys()], expected);
  vae.dispose();
});

Deno.test("nidl: forward is drawn and differentiable, sample(4) gives (4, 25)", async () => {
  const vae = build();
  const x = rows(2);
  const { gradients } = await tapeGradients(vae.variables, () => {
    const z = vae.forward(x);
    assertEquals(z.shape, [2, 2]);
    return { loss: tf.sum(tf.square(z)) as tf.Scalar };
  });
  const [slope] = await toHost(tf.sum(tf.abs(gradients.get("fc_logvar.weight")!)));
  assert(slope > 0, "the draw reaches the log-variance");
  const drawn = await vae.sample(4);
  assertEquals(drawn.shape, [4, 25]);
  assert(drawn.data.every(Number.isFinite));
  assertEquals((await vae.sample(0)).shape, [0, 25]);
  assertEquals(await vae.sample(4, { seed: 3 }), await vae.sample(4, { seed: 3 }));
  assertThrows(() => vae.sample(-1), ConfigError);
  vae.dispose();
});

Deno.test("nidl: steps give the three terms; transform without draws is fc_mu(encoder(x))", async () => {
  const vae = build();
  for (const terms of [vae.trainingStep(rows(2)), vae.validationStep([rows(2), [0, 1]])]) {
    assertEquals(Object.keys(terms).sort(), ["kl_loss", "loss", "rec_loss"]);
    for (const term of Object.values(terms)) assertEquals(term.shape, []);
  }
  const drawn = vae.transformStep(rows(3));
  vae.stochasticTransform = false;
  const means = vae.transformStep(rows(3));
  assertEquals([drawn.shape, means.shape], [[3, 2], [3, 2]]);
  const { mu } = await vae.encode(rows(3));
  assertEquals(await toHost(means), mu.data);
  assert((await toHost(drawn)).some((value, i) => value !== mu.data[i]));
  vae.dispose();
});

Deno.test("nidl: the optimisers are a list of one AdamW, whose step changes parameters", async () => {
  const vae = build();
  const optimisers = vae.configureOptimizers();
  assertEquals(optimisers.map(({ name }) => name), ["adamw"]);
  const before = await vae.stateDict();
  const { gradients } = await tapeGradients(vae.variables, () => vae.trainingStep(rows(2)));
  optimisers[0].step(gradients, vae.lr);
  const after = await vae.stateDict();
  const changed = [...after].filter(([key, { data }]) =>
    data.some((value, i) => value !== before.get(key)!.data[i])
  );
  assert(changed.length > 0);
  vae.dispose();
});

Deno.test("nidl: fit on 20 × 25 values, then transform gives (20, 2)", async () => {
  const vae = build();
  const all = batches(10, 2);
  const error = await assertRejects(() => vae.transform(all), RecvaeError);
  assert(/VAE is not fitted; call fit first, or load/.test(error.message), error.message);
  assertEquals(await vae.fit(all), vae);
  assertEquals((await vae.transform(all)).shape, [20, 2]);
  const withTargets = all.map((x, i) => [x, [i, -i]] as const);
  const { features, targets } = await vae.transformWithTargets(withTargets);
  assertEquals(features, await vae.transform(all));
  assertEquals((targets as number[]).slice(0, 4), [0, -0, 1, -1]);
  await assertRejects(() => vae.transformWithTargets(all), ConfigError, "without targets");
  vae.dispose();
});

Deno.test("nidl: which methods there are depends on the kind of estimator", () => {
  const has = (kind: { prototype: object }, name: string) => name in kind.prototype;
  for (const kind of [BaseEstimator, TransformerEstimator, PredictorEstimator]) {
    assert(has(kind, "fit"));
    assertEquals(has(kind, "transform"), kind === TransformerEstimator);
    assertEquals(has(kind, "predict"), kind === PredictorEstimator);
  }
  const vae = build();
  // @ts-expect-error -- a transformer predicts nothing
  assertThrows(() => vae.predict(rows(2)), TypeError);
  vae.dispose();
});

Deno.test("fit is the same as steps by hand, and validation changes nothing", async () => {
  const options = { randomState: 7, weightDecay: 0.01 };
  const [fitted, validated, byHand] = [build(options), build(options), build(options)];
  const all = batches(3, 4);
  await fitted.fit(all);
  await validated.fit(all, batches(2, 3));
  const [optimiser] = byHand.configureOptimizers();
  for (let epoch = 0; epoch < 2; epoch++) {
    for (const [index, batch] of all.entries()) {
      const { gradients } = await tapeGradients(
        byHand.variables,
        () => byHand.trainingStep(batch, index, { epoch }),
      );
      optimiser.step(gradients, byHand.lr);
      tf.dispose([...gradients.values()]);
    }
  }
  const expected = await fitted.stateDict();
  assertEquals(await byHand.stateDict(), expected);
  assertEquals(await validated.stateDict(), expected);
  assertEquals(Object.keys(validated.loggedMetrics).sort(), [
    ...["train/kl_loss", "train/loss", "train/rec_loss"],
    ...["val/kl_loss", "val/loss", "val/rec_loss"],
  ]);
  assertEquals(validated.history.length, 2);
});

Deno.test("a saved and loaded estimator gives the same bits; what is missing is named", async () => {
  await inFolder(async (folder) => {
    const vae = new VAE({ shape: [5, 4, 6], latentDim: 3, maxEpochs: 1, randomState: 3 });
    const images = { data: RandomStream.fromSeed(5).normals(4 * 120), shape: [4, 6, 4, 5] };
    await vae.fit([images]);
    await vae.save(`${folder}/a`);
    const again = await VAE.load(`${folder}/a`);
    assertEquals([again.fitted, again.epochsTrained, again.latentDim], [true, 1, 3]);
    assertEquals(await again.transform(images), await vae.transform(images));
    assertEquals((await again.reconstruct(images)).shape, images.shape);
    await again.fit([images]);
    await vae.fit([images]);
    assertEquals(await again.stateDict(), await vae.stateDict());
    await Deno.remove(`${folder}/a/config.json`);
    await assertRejects(() => VAE.load(`${folder}/a`), CheckpointError, "config.json is missing");
    const { description: _, ...own } = encoder;
    const other = build({ encoder: own });
    await other.save(`${folder}/b`);
    await assertRejects(() => VAE.load(`${folder}/b`), CheckpointError, "{ encoder }");
    assertEquals((await VAE.load(`${folder}/b`, { encoder, decoder })).fitted, false);
  });
});

Deno.test("score gives the terms, the squared error and the divergence of each latent", async () => {
  const vae = build({ beta: 3 });
  const x = rows(6);
  const { loss, recLoss, klLoss, mse, klPerLatent, samples } = await vae.score(x);
  assert(Math.abs(loss - recLoss - 3 * klLoss) < 1e-4);
  assert(Math.abs(klPerLatent.reduce((a, b) => a + b) - klLoss) < 1e-5);
  const { data } = await vae.reconstruct(x);
  const squared = [...data].reduce((sum, value, i) => sum + (value - x.data[i]) ** 2, 0);
  assert(Math.abs(mse - squared / 150) < 1e-9);
  assertEquals([samples, klPerLatent.length], [6, 2]);
  const moved = await vae.traverse(1, { values: [-1, 1] });
  const ends = await vae.decode({ data: Float32Array.of(0, -1, 0, 1), shape: [2, 2] });
  assertEquals(moved, ends);
  assertThrows(() => vae.traverse(2), ConfigError, "from 0 to 1");
  await assertRejects(() => vae.decode({ data: new Float32Array(3), shape: [1, 3] }), ShapeError);
});

Deno.test("callbacks end training and keep the best", async () => {
  await inFolder(async (folder) => {
    const checkpoint = new ModelCheckpoint(`${folder}/best`, { monitor: "train/loss" });
    const stopping = new EarlyStopping({ monitor: "val/loss", patience: 1, minDelta: 1e6 });
    const vae = build({ maxEpochs: 9, callbacks: [checkpoint, stopping] });
    await vae.fit(batches(2, 4), batches(1, 4));
    assertEquals(vae.history.length, 2);
    assert(checkpoint.best !== null);
    await vae.save(`${folder}/last`);
    assert(Deno.statSync(`${folder}/best/weights.safetensors`).isFile);
  });
});

Deno.test("options and batches that cannot be are refused by name", async () => {
  const cases: [Partial<VAEOptions>, string][] = [
    [{ beta: -1 }, "beta is -1"],
    [{ beta: Infinity }, "beta is Infinity"],
    [{ latentDim: 0 }, "latentDim is 0"],
    [{ lr: -1 }, "lr is -1"],
    [{ weigthDecay: 1 } as Partial<VAEOptions>, 'did you mean "weightDecay"'],
    [{ noiseScale: "learned", defaultDist: "laplace" }, 'noiseScale is "learned"'],
  ];
  for (const [options, message] of cases) assertThrows(() => build(options), ConfigError, message);
  assertThrows(() => new VAE({ latentDim: 2 }), ConfigError, "shape");
  assertThrows(() => build({ encoderOutDim: 5 }), ShapeError, "encoderOutDim = 5");
  const wide = sequential({ lin: dense(26) }, { input: [2] });
  assertThrows(() => build({ decoder: wide }).trainingStep(rows(2)), ShapeError, "[2,26]");
  assertThrows(
    () => build().trainingStep({ data: new Float32Array(48), shape: [2, 24] }),
    ShapeError,
  );
  await assertRejects(() => build().fit([]), ConfigError, "no batches");
  await assertRejects(() => build().fit(3 as never), ConfigError, "the loader is number");
});

Deno.test("a learned noise scale is trained, and its likelihood is the Gaussian one", async () => {
  for (const noiseScale of ["learned", "per-voxel"] as const) {
    const vae = new VAE({ shape: [25], latentDim: 2, noiseScale, maxEpochs: 20 });
    const scale = () => vae.stateDict().then((state) => [...state.get("log_noise_scale")!.data]);
    assertEquals((await scale()).length, noiseScale === "learned" ? 1 : 25);
    const x = rows(4);
    const { rec_loss } = vae.validationStep(x, 0, { noise: new Float32Array(8) });
    const { data } = await vae.reconstruct(x);
    const squared = [...data].reduce((sum, value, i) => sum + (value - x.data[i]) ** 2, 0);
    const expected = (squared / 2 + 100 * 0.5 * Math.log(2 * Math.PI)) / 4;
    assert(Math.abs(await valueOf(rec_loss) - expected) < 1e-3);
    await vae.fit([x]);
    const trained = (await scale()).map(Number);
    assert(trained.every((value) => value !== 0));
    assert(trained.reduce((sum, value) => sum + value) < 0, "residuals are below 1");
  }
});

Deno.test("the mean over values, a capacity, free bits and the mean discrepancy follow their formulas", async () => {
  const x = tf.tensor2d([[1, 2, 0], [0, 1, 1]]);
  const q = { mean: tf.tensor2d([[1, 0], [2, 0]]), logVar: tf.zeros([2, 2]) };
  const of = async (options: ConstructorParameters<typeof BetaVAELoss>[0]) => {
    const terms = new BetaVAELoss(options).compute(x, tf.zerosLike(x), q);
    return [await valueOf(terms.rec_loss), await valueOf(terms.kl_loss), await valueOf(terms.loss)];
  };
  const near = (found: number[], wanted: number[]) =>
    found.forEach((value, i) => assert(Math.abs(value - wanted[i]) < 1e-5, `${found}`));
  near(await of({ beta: 2 }), [3.5, 1.25, 6]);
  near(await of({ beta: 2, reduction: "mean" }), [3.5 / 3, 1.25, 2]);
  near(await of({ beta: 2, capacity: 3 }), [3.5, 1.25, 7]);
  near(await of({ beta: 2, freeBits: 0.5 }), [3.5, 1.75, 7]);
  const mmd = new BetaVAELoss({ beta: 1, divergence: "mmd" });
  const z = tf.tensor2d([[1, 0], [0, 2]]);
  const same = mmd.compute(x, x, q, { z, prior: z });
  assert(Math.abs(await valueOf(same.kl_loss)) < 1e-6);
  assertThrows(() => mmd.compute(x, x, q), ConfigError, "draws");
});
