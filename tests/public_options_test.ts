/**
 * Options objects of the public surface: a name that does not exist and a value of the wrong kind are refused by
 * every function, method and constructor that takes one.
 */
import * as recvae from "../mod.ts";
import { ConfigError } from "../src/base/errors.ts";
import { assertEquals, assertInstanceOf, assertStringIncludes } from "../src/deps/std.ts";
import { tinyLoader, tinyModel } from "./support/tiny_training.ts";

const ROOT = new URL("../", import.meta.url);

// deno-lint-ignore no-explicit-any
type Call = (options: any) => unknown;

await recvae.selectBackend("cpu");
const model = tinyModel();
const [batch] = tinyLoader().batches(0) as Iterable<recvae.FrameBatch>;
const volumes = { data: new Float32Array(0), shape: [1, 5, 8, 8, 9] };
const cohort = recvae.syntheticCohort({ nCn: 1, nAd: 1, frames: 2, spatialShape: [4, 4, 4] });
const values = Float32Array.of(1, 2);
const trajectory = { h: values, gh: values, mu: values, logVar: values };
const schedule = recvae.createSchedule("constant", { learningRate: 1e-3, epochs: 1 });
const optimiser = recvae.createOptimiser("sgd", model.variables);
const loop = { epochs: 1, optimiser, schedule };
const store = new recvae.CheckpointStore("/dev/null/nowhere");

/** A call of everything that takes options. */
const CALLS: Record<string, Call> = {
  applyScaling: (o) => recvae.applyScaling(values.slice(), { kind: "none" }, o),
  buildDataLoader: (o) => recvae.buildDataLoader(cohort, o),
  CheckpointStore: (o) => new recvae.CheckpointStore("/dev/null/nowhere", o),
  cleanSignals: (o) => recvae.cleanSignals({ data: values, shape: [2, 1] }, o),
  cohortFromDirectories: (o) => recvae.cohortFromDirectories({ CN: "/dev/null/nowhere" }, o),
  cohortFromFiles: (o) => recvae.cohortFromFiles(["/dev/null/nowhere"], o),
  cohortFromVolumes: (o) => recvae.cohortFromVolumes(volumes, o),
  compareWithBaselines: (o) => recvae.compareWithBaselines(model, o),
  createOptimiser: (o) => recvae.createOptimiser("adamw", model.variables, o),
  createSchedule: (o) => recvae.createSchedule("cosine", o),
  evaluate: (o) => recvae.evaluate(model, batch, o),
  evaluateHeldOut: (o) => recvae.evaluateHeldOut(model, batch, o),
  fit: (o) => recvae.fit(model, tinyLoader(), o),
  fitPca: (o) => recvae.fitPca({ rows: 2, columns: 2, read: () => values }, 1, o),
  groupedFolds: (o) => recvae.groupedFolds(["a", "b"], 2, o),
  invertScaling: (o) => recvae.invertScaling(values.slice(), { kind: "none" }, o),
  klRamp: (o) => recvae.klRamp(0, 10, o),
  klTemporalLoss: (o) => recvae.klTemporalLoss(trajectory, o),
  listSubjectFiles: (o) => recvae.listSubjectFiles(".", o),
  loadCheckpoint: (o) => recvae.loadCheckpoint(store, model, o),
  loadRun: (o) => recvae.loadRun("/dev/null/nowhere", model, o),
  loadSubjectVolumes: (o) => recvae.loadSubjectVolumes("/dev/null/nowhere", ["a.nii"], o),
  openBoldRun: (o) => recvae.openBoldRun("/dev/null/nowhere.nii", o),
  openMask: (o) => recvae.openMask("/dev/null/nowhere.nii", [4, 4, 4], o),
  readNiftiFacts: (o) => recvae.readNiftiFacts("/dev/null/nowhere.nii", o),
  readTorchState: (o) => recvae.readTorchState(new Uint8Array(8), o),
  reconstructionLoss: (o) => recvae.reconstructionLoss(1, o),
  RecurrentTraining: (o) => new recvae.RecurrentTraining(model, o),
  RecurrentVae: (o) => new recvae.RecurrentVae({ spatialShape: [9, 8, 8] }, o),
  "RecurrentVae.computeGradients": (o) => model.computeGradients(batch, o),
  "RecurrentVae.forward": (o) => model.forward(batch, o),
  "RecurrentVae.rollout": (o) => model.rollout(batch, o),
  "RecurrentVae.step": (o) => model.step(volumes, volumes, o),
  "RecurrentVae.updateTransitionMatrix": (o) => model.updateTransitionMatrix(volumes, o),
  resolveConfig: (o) => recvae.resolveConfig(o),
  runTraining: (o) => recvae.runTraining(new recvae.RecurrentTraining(model), tinyLoader(), o),
  saveCheckpoint: (o) => recvae.saveCheckpoint(store, model, o),
  saveRun: (o) => recvae.saveRun("/dev/null/nowhere", model, o),
  scoreModel: (o) => recvae.scoreModel(model, [batch], o),
  scoreReconstruction: (o) => recvae.scoreReconstruction(values, values, o),
  selectBackend: (o) => recvae.selectBackend("cpu", o),
  solveTransitionMatrix: (o) => recvae.solveTransitionMatrix(o),
  splitSubjects: (o) => recvae.splitSubjects(4, 2, o),
  squaredTemporalLoss: (o) => recvae.squaredTemporalLoss(trajectory, o),
  stratifiedFolds: (o) => recvae.stratifiedFolds(["a", "b"], 2, o),
  syntheticCohort: (o) => recvae.syntheticCohort(o),
  torchSyntheticCohort: (o) => recvae.torchSyntheticCohort(o),
  trainTestSplit: (o) => recvae.trainTestSplit(["a", "b"], o),
  writeNifti: (o) => recvae.writeNifti(values, o),
  writeSafetensors: (o) => recvae.writeSafetensors([], o),
};

/** Results and errors, whose constructors take what the library itself puts together. */
const NO_OPTIONS = ["DivergenceError", "ForwardResult", "WriteError"];

async function refusalOf(call: Call, options: unknown): Promise<ConfigError> {
  let fault: unknown;
  try {
    await call(options);
  } catch (error) {
    fault = error;
  }
  assertInstanceOf(fault, ConfigError, `${call}: ${fault}`);
  return fault;
}

interface Parameter {
  readonly name?: string;
  readonly left?: Parameter;
  readonly tsType?: { readonly kind: string; readonly repr?: string };
}

/** Whether a parameter is an object of named options. */
function takesOptions(parameter: Parameter): boolean {
  const { name, tsType } = parameter.left ?? parameter;
  const type = tsType ?? parameter.tsType;
  return name === "options" || type?.kind === "typeLiteral" || type?.kind === "intersection" ||
    /(Options|Setup|Problem|Scale)$/.test(type?.repr ?? "");
}

interface Declaration {
  readonly kind: string;
  readonly def: {
    readonly params?: Parameter[];
    readonly constructors?: { readonly params: Parameter[] }[];
    readonly methods?: {
      readonly name: string;
      readonly functionDef: { readonly params: Parameter[] };
    }[];
  };
}

/** Everything exported whose documentation shows an options parameter. */
async function documentedCalls(): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", "mod.ts"],
    cwd: ROOT,
    stderr: "null",
  }).output();
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  const [{ symbols }] = Object.values(nodes) as [
    { symbols: { name: string; declarations: Declaration[] }[] },
  ];
  return symbols.filter(({ name }) => name in recvae && !NO_OPTIONS.includes(name)).flatMap(
    ({ name, declarations }) =>
      declarations.flatMap(({ def }) => [
        ...[def, ...def.constructors ?? []].filter(({ params }) => params?.some(takesOptions))
          .map(() => name),
        ...(def.methods ?? []).filter(({ functionDef }) => functionDef.params.some(takesOptions))
          .map((method) => `${name}.${method.name}`),
      ]),
  );
}

Deno.test("the table below names everything public that takes options", async () => {
  assertEquals((await documentedCalls()).sort(), Object.keys(CALLS).sort());
});

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name} refuses an option that does not exist, and what is no object`, async () => {
    const refusal = await refusalOf(call, { nonsense: 1 });
    assertEquals(refusal.field, "nonsense");
    assertStringIncludes(refusal.message, '"nonsense"; did you mean ');
    for (const options of ["nonsense", null, [1]]) await refusalOf(call, options);
  });
}

Deno.test("the nearest name is offered", async () => {
  const nearest = async (call: Call, options: unknown) =>
    / did you mean "(\w+)"\?$/.exec((await refusalOf(call, options)).message)?.[1];
  assertEquals(await nearest(CALLS.fit, { optimizer: "adamw" }), "optimiser");
  assertEquals(await nearest(CALLS.syntheticCohort, { cn: 3 }), "nCn");
  assertEquals(await nearest(CALLS.buildDataLoader, { batch_size: 2 }), "batchSize");
  assertEquals(await nearest(CALLS.resolveConfig, { latent_dim: 2 }), "latentDim");
  assertEquals(await nearest(CALLS.evaluateHeldOut, { innerLR: 1 }), "innerLr");
});

Deno.test("an optimiser refuses the options of another", async () => {
  const made = (kind: "sgd" | "adam") => (options: Record<string, number>) =>
    recvae.createOptimiser(kind, model.variables, options);
  assertEquals((await refusalOf(made("sgd"), { beta1: 0.9 })).field, "beta1");
  assertEquals((await refusalOf(made("adam"), { momentum: 0.9 })).field, "momentum");
});

/** Values that ran silently wrong or ended in an error of JavaScript. */
const WRONG: [call: Call, options: Record<string, unknown>, field?: string][] = [
  [CALLS.fit, { epochs: "5" }],
  [CALLS.fit, { epochs: 2.5 }],
  [CALLS.fit, { learningRate: NaN }],
  [CALLS.fit, { learningRate: "0.1" }],
  [CALLS.fit, { logEvery: 0 }],
  [CALLS.fit, { optimiser: 5 }],
  [CALLS.fit, { optimiser: "adamax" }],
  [CALLS.fit, { clipNorm: -1 }],
  [CALLS.fit, { clipNorm: "10" }],
  [CALLS.fit, { schedule: "cosine" }],
  [CALLS.fit, { signal: true }],
  [CALLS.fit, { framesPerChunk: 0 }],
  [CALLS.fit, { earlyStopping: { patience: "3" } }, "earlyStopping.patience"],
  [CALLS.fit, { earlyStopping: { patience: 3, minimum: 1 } }, "earlyStopping.minimum"],
  [CALLS.fit, { earlyStopping: {} }, "earlyStopping.patience"],
  [CALLS.fit, { callbacks: [1] }, "callbacks[0]"],
  [CALLS.runTraining, { ...loop, epochs: NaN }, "epochs"],
  [CALLS.runTraining, { ...loop, optimiser: undefined }, "optimiser"],
  [CALLS.buildDataLoader, { batchSize: 2.5 }],
  [CALLS.buildDataLoader, { batchSize: "2" }],
  [CALLS.buildDataLoader, { shuffle: "no" }],
  [CALLS.buildDataLoader, { seed: 1.5 }],
  [CALLS.buildDataLoader, { memoryBudget: NaN }],
  [CALLS.syntheticCohort, { nCn: "3" }],
  [CALLS.syntheticCohort, { noiseStd: NaN }],
  [CALLS.syntheticCohort, { spatialShape: [4, 4] }],
  [CALLS.syntheticCohort, { spatialShape: [4, 4, 1e8] }],
  [CALLS.syntheticCohort, { nCn: 1e9 }],
  [CALLS.cohortFromFiles, { groupBy: "person" }],
  [CALLS.cohortFromFiles, { tolTime: "16" }],
  [CALLS.cohortFromFiles, { skipFrames: -1 }],
  [CALLS.cleanSignals, { lowPass: 0 }],
  [CALLS.listSubjectFiles, { skipPrefix: 1 }],
  [CALLS.splitSubjects, { seed: "1" }],
  [CALLS.trainTestSplit, { testFraction: "0.5" }],
  [CALLS.selectBackend, { threads: "2" }],
  [CALLS.createSchedule, { learningRate: 1, epochs: 3, per: "batch" }, "per"],
  [CALLS.createSchedule, { learningRate: "1", epochs: 3 }, "learningRate"],
  [CALLS.createOptimiser, { weightDecay: "0.1" }],
  [CALLS.evaluate, { subjects: [-1] }, "subjects[0]"],
  [CALLS.evaluate, { noise: 0 }],
  [CALLS.evaluateHeldOut, { innerSteps: "50" }],
  [CALLS.evaluateHeldOut, { lambdaZ: NaN }],
  [CALLS.evaluateHeldOut, { start: "zero" }],
  [CALLS["RecurrentVae.rollout"], { frames: 0 }],
  [CALLS["RecurrentVae.computeGradients"], { memoryBudget: -1 }],
  [CALLS["RecurrentVae.updateTransitionMatrix"], { rho: -1 }],
  [CALLS.RecurrentVae, { subjects: 2, weights: {} }, "weights"],
  [CALLS.solveTransitionMatrix, {
    states: values,
    initialState: values,
    subjects: 1,
    frames: 1,
    latentDim: 2,
    sigH: 1,
    rho: 0,
    penalty: "v3",
  }, "penalty"],
  [CALLS.reconstructionLoss, { sigma: 1, batch: 2 }, "frames"],
  [CALLS.scoreReconstruction, { voxels: 0 }],
  [CALLS.saveRun, { epoch: "3" }],
  [CALLS.saveRun, { random: { seed: 1 } }, "random.epoch"],
  [CALLS.writeSafetensors, { metadata: { epoch: 3 } }, "metadata.epoch"],
  [CALLS.writeNifti, { spatialShape: [1, 1, 2], datatype: "int32" }, "datatype"],
  [CALLS.writeNifti, { spatialShape: [1, 1, 2], repetitionTime: "2" }, "repetitionTime"],
  [CALLS.klRamp, { fraction: "0.1" }],
  [CALLS.resolveConfig, { epochs: "5" }],
  [CALLS.resolveConfig, { channels: 5 }],
  [CALLS.resolveConfig, { spatialShape: "9,8,8" }],
  [CALLS.resolveConfig, { decoderChannels: -1 }],
  [CALLS.resolveConfig, { seed: 0.5 }],
];

Deno.test("values of the wrong kind or out of range are refused by name", async () => {
  for (const [call, options, field = Object.keys(options)[0]] of WRONG) {
    const refusal = await refusalOf(call, options);
    assertEquals(refusal.field, field, refusal.message);
    assertStringIncludes(refusal.message, field.split(".").at(-1)!);
  }
});

Deno.test("an engine that chooses itself is no way around the check", async () => {
  const auto: Call = (options) => recvae.selectBackend("auto", options);
  assertEquals((await refusalOf(auto, { thread: 2 })).field, "thread");
});

Deno.test("sizes that no memory holds are refused before anything is allocated", async () => {
  const built: Call = (options) => new recvae.RecurrentVae(options, { subjects: 4 });
  for (const size of [{ latentDim: 1e9 }, { encOutDim: 1e12 }, { channels: [1e9, 8] }]) {
    const { field, message } = await refusalOf(built, { spatialShape: [9, 8, 8], ...size });
    assertEquals(field, "encOutDim");
    assertStringIncludes(message, "lower encOutDim, latentDim or the channels");
  }
  const long = tinyModel({ tolTime: 1e12 });
  assertEquals((await refusalOf(() => recvae.fit(long, tinyLoader()), {})).field, "tolTime");
});

Deno.test("a cohort of volumes needs one label and one name a subject", async () => {
  const two = { data: new Float32Array(2), shape: [2, 1, 1, 1, 1, 1] };
  const made: Call = (options) => recvae.cohortFromVolumes(two, options);
  assertEquals((await refusalOf(made, { labels: ["CN"] })).field, "labels");
  assertEquals((await refusalOf(made, { ids: ["a", "b", "c"] })).field, "ids");
});

Deno.test("an option that is undefined is as good as absent", async () => {
  assertEquals(recvae.syntheticCohort({ nCn: undefined, frames: 2 }).subjects.length, 8);
  const { losses } = await recvae.evaluate(model, batch, { noise: undefined });
  assertEquals(Number.isFinite(losses.loss), true);
});
