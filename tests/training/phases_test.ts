/** Several phases per batch: order, own optimisers and options, messages, and exact resumption through a checkpoint. */
import { CheckpointError, ConfigError, DivergenceError } from "../../src/base/errors.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { CheckpointStore, loadCheckpoint, saveCheckpoint } from "../../src/training/checkpoint.ts";
import {
  type BatchReport,
  type LoopOptions,
  runTraining,
  type TrainingState,
} from "../../src/training/loop.ts";
import { createOptimiser, type Optimiser } from "../../src/training/optimisers.ts";
import { readRun, saveRun, trainingStateOf } from "../../src/training/run_folder.ts";
import { createSchedule } from "../../src/training/schedules.ts";
import type { TrainingPhase } from "../../src/training/trainable.ts";
import { TinyAdversary, type TinyBatch, tinyRows } from "../support/tiny_phases.ts";
import { inTemporaryFolder } from "./temporary_folder.ts";

await selectBackend("cpu");

/** Batches of an epoch. */
const BATCHES = 4;

function optimisersOf(model: TinyAdversary): Record<string, Optimiser> {
  return {
    reconstruction: createOptimiser("adamw", model.own("reconstruction")),
    critic: createOptimiser("sgd", model.own("critic"), { momentum: 0.9 }),
    generator: createOptimiser("adam", model.own("generator"), { beta1: 0.5 }),
  };
}

function options(model: TinyAdversary, more: Partial<LoopOptions> = {}): LoopOptions {
  return {
    epochs: 4,
    optimiser: optimisersOf(model),
    schedule: createSchedule("plateau", { learningRate: 0.05, patience: 0, factor: 0.5 }),
    clipNorm: 2,
    earlyStopping: { patience: 50, monitor: "reconstruction.loss" },
    ...more,
  };
}

/** Everything that could differ between two runs. */
async function fingerprint(model: TinyAdversary, run: Awaited<ReturnType<typeof runTraining>>) {
  const { optimiser, phases, ...state } = await run.state();
  const bits = [optimiser, ...phases!.values()].map(({ step, tensors }) => [step, [...tensors]]);
  return [
    await model.exportWeights(),
    run.metrics,
    run.lastIndex,
    state,
    [...phases!.keys()],
    bits,
  ];
}

for (
  const [where, phase] of [
    ["after the last phase of a batch", "generator"],
    ["in the first repeat of the second phase, with two updates to come", "critic"],
  ]
) {
  Deno.test(`three phases interrupted ${where}, saved, and resumed in a new model end with the same bits`, () =>
    inTemporaryFolder(async (folder) => {
      const whole = new TinyAdversary();
      const expected = await runTraining(whole, tinyRows(), options(whole));

      const stopped = new TinyAdversary();
      const abort = new AbortController();
      let updates = 0;
      const part = await runTraining(
        stopped,
        tinyRows(),
        options(stopped, {
          signal: abort.signal,
          onBatch: (report) => {
            if (report.phase === phase && !report.repeat && ++updates === BATCHES + 2) {
              abort.abort();
            }
          },
        }),
      );
      assertEquals(part.ended, "interrupted");
      const training = await part.state();
      assertEquals(training.position, { epoch: 1, batch: 2 });
      const store = new CheckpointStore(folder);
      await saveCheckpoint(store, stopped, { training });

      const resumed = new TinyAdversary();
      const resumeFrom = trainingStateOf((await loadCheckpoint(store, resumed))!)!;
      const rest = await runTraining(resumed, tinyRows(), options(resumed, { resumeFrom }));
      assertEquals(rest.ended, "completed");
      assertEquals(await fingerprint(resumed, rest), await fingerprint(whole, expected));
      [whole, stopped, resumed].forEach((model) => model.dispose());
    }));
}

Deno.test("phases update in their order, each by its own optimiser, factor, clipping and repeats", async () => {
  const model = new TinyAdversary();
  const reports: BatchReport[] = [];
  const optimiser = optimisersOf(model);
  const { metrics } = await runTraining(
    model,
    tinyRows(),
    options(model, {
      epochs: 1,
      optimiser,
      schedule: createSchedule("constant", { learningRate: 0.05, epochs: 1 }),
      onBatch: (report) => reports.push(report),
    }),
  );
  const order = ["reconstruction", "critic", "critic", "generator"];
  assertEquals(reports.map(({ phase }) => phase), [...order, ...order, ...order, ...order]);
  assertEquals(reports.slice(0, 4).map(({ repeat }) => repeat), [undefined, 0, 1, undefined]);
  assertEquals(reports.slice(0, 4).map((r) => r.learningRate), [0.05, 0.05, 0.05, 0.025]);
  assertEquals(Object.values(optimiser).map(({ stepCount }) => stepCount), [4, 8, 4]);
  assertNotEquals(reports[1].losses, reports[2].losses);

  const meanOf = (phase: string, term: string) => {
    const terms = reports.filter((report) => report.phase === phase);
    return terms.reduce((sum, { losses }) => sum + losses[term], 0) / terms.length;
  };
  for (const name of ["reconstruction.loss", "critic.loss", "critic.gap", "generator.loss"]) {
    const [phase, term] = name.split(".");
    assertAlmostEquals(metrics[0][name], meanOf(phase, term), 1e-12);
  }
  const sum = ["reconstruction", "critic", "generator"].map((phase) => meanOf(phase, "loss"));
  assertAlmostEquals(metrics[0].loss, sum[0] + sum[1] + sum[2], 1e-12);
  assertEquals(metrics[0].learningRate, 0.05);
  model.dispose();
});

/** The same model with one phase only, changed. */
function alone(name: string, changes: Partial<TrainingPhase<TinyBatch>>): TinyAdversary {
  const model = new TinyAdversary();
  model.phases = model.phases.filter((phase) => phase.name === name)
    .map((phase) => ({ ...phase, ...changes }));
  return model;
}

Deno.test("one phase is trained like a model without phases: same bits, same names, same state", async () => {
  const phased = alone("reconstruction", {});
  const plain = new TinyAdversary();
  const { variables, computeGradients } = plain.phases[0];
  const schedule = createSchedule("constant", { learningRate: 0.05, epochs: 2 });
  const runs = await Promise.all(
    ([[phased, phased], [plain, { variables, computeGradients }]] as const).map(
      async ([model, trainable]) => {
        const optimiser = createOptimiser("adam", model.own("reconstruction"));
        const run = await runTraining(trainable, tinyRows(), {
          epochs: 2,
          optimiser,
          schedule,
          clipNorm: 0.5,
        });
        return [run.metrics, await run.state(), await model.exportWeights()];
      },
    ),
  );
  assertEquals(runs[0], runs[1]);
  assertEquals(Object.keys((runs[0][0] as object[])[0]), ["epoch", "loss", "learningRate"]);
  assertEquals("phases" in runs[0][1], false);
  [phased, plain].forEach((model) => model.dispose());
});

Deno.test("steps are batches, also where the first phase makes several updates in each", async () => {
  const model = new TinyAdversary();
  model.phases = [model.phases[1], model.phases[0], model.phases[2]];
  const asked: number[] = [];
  const schedule = createSchedule("constant", { learningRate: 0.05, epochs: 1 });
  const optimiser = optimisersOf(model);
  const { ended, state } = await runTraining(model, tinyRows(), {
    steps: 3,
    optimiser,
    schedule: {
      ...schedule,
      rateAt: (position) => {
        asked.push(position.step);
        return schedule.rateAt(position);
      },
    },
  });
  assertEquals([ended, (await state()).position], ["completed", { epoch: 0, batch: 3 }]);
  assertEquals(asked.slice(0, 3), [0, 1, 2]);
  assertEquals(optimiser.critic.stepCount, 6);
  model.dispose();
});

Deno.test("a phase's own norm replaces the run's", async () => {
  const lengths: number[] = [];
  for (const clipNorm of [undefined, 1e-3, Infinity]) {
    const model = alone("reconstruction", { clipNorm });
    const before = await model.exportWeights();
    const first = {
      describe: undefined,
      batches: (e: number) => [...tinyRows().batches(e) as Iterable<TinyBatch>].slice(0, 1),
    };
    await runTraining(model, first, {
      epochs: 1,
      optimiser: createOptimiser("sgd", model.own("reconstruction")),
      schedule: createSchedule("constant", { learningRate: 1, epochs: 1 }),
      clipNorm: 1e-2,
    });
    const after = await model.exportWeights();
    const moved = ["encoder", "decoder"].flatMap((key) =>
      [...after.get(key)!.data].map((value, i) => Number(value) - Number(before.get(key)!.data[i]))
    );
    lengths.push(Math.hypot(...moved));
    model.dispose();
  }
  assertAlmostEquals(lengths[0], 1e-2, 1e-5);
  assertAlmostEquals(lengths[1], 1e-3, 1e-6);
  assertEquals(lengths[2] > 0.1, true);
});

Deno.test("what a phase leaves out is frozen: not updated, and no part of the norm", async () => {
  const model = new TinyAdversary();
  const [reconstruction] = model.phases;
  const onlyDecoder = new Map([["decoder", model.variables.get("decoder")!]]);
  model.phases = [{ ...reconstruction, variables: onlyDecoder }];
  const before = await model.exportWeights();
  const tensors = tf.memory().numTensors;
  const norms: number[] = [];
  const optimiser = createOptimiser("sgd", onlyDecoder);
  await runTraining(model, tinyRows(), {
    epochs: 1,
    optimiser,
    schedule: createSchedule("constant", { learningRate: 0.1, epochs: 1 }),
    onBatch: ({ gradientNorm }) => norms.push(gradientNorm),
  });
  assertEquals(tf.memory().numTensors, tensors);
  const [batch] = tinyRows().batches(0) as Iterable<TinyBatch>;
  model.importWeights(before);
  const { gradients } = await reconstruction.computeGradients(batch, { epoch: 0, batch: 0 });
  assertAlmostEquals(norms[0], Math.hypot(...await gradients.get("decoder")!.data()), 1e-6);
  tf.dispose([...gradients.values()]);
  model.dispose();
});

Deno.test("a divergence names the phase's term and the rows in the loader's words, and goes back", async () => {
  const model = new TinyAdversary();
  const before = await model.exportWeights();
  const [reconstruction, critic, generator] = model.phases;
  model.phases = [reconstruction, {
    ...critic,
    computeGradients: async (batch, position) => {
      const outcome = await critic.computeGradients(batch, position);
      return { ...outcome, losses: { ...outcome.losses, gap: NaN } };
    },
  }, generator];
  const loader = tinyRows({ describe: (row) => `sub-0${row} run-1` });
  const [{ rows }] = loader.batches(0) as Iterable<TinyBatch>;
  const { divergence, ended } = await runTraining(
    model,
    loader,
    options(model, { onDivergence: "end" }),
  );
  assertEquals(ended, "diverged");
  assertEquals([divergence!.tensor, divergence!.rows], ["critic.gap", rows]);
  const names = rows.map((row) => `sub-0${row} run-1`).join(", ");
  assertStringIncludes(divergence!.message, `critic.gap is NaN in epoch 1, batch 1 (${names})`);
  // The reconstruction phase had made its update.
  assertStringIncludes(divergence!.message, "lower the learning rate");
  assertEquals(await model.exportWeights(), before);

  const nameless = new TinyAdversary();
  const optimiser = createOptimiser("sgd", nameless.own("critic"));
  nameless.phases = [{ ...model.phases[1], variables: nameless.own("critic") }];
  const error = await assertRejects(
    () =>
      runTraining(nameless, tinyRows(), {
        epochs: 1,
        optimiser,
        schedule: createSchedule("constant", { learningRate: 1, epochs: 1 }),
      }),
    DivergenceError,
    `(rows ${
      rows.join(", ")
    }), needs finite numbers; no weight was changed yet, so check the data of these rows`,
  );
  assertEquals(error.tensor, "gap");
  [model, nameless].forEach((one) => one.dispose());
});

Deno.test("phases and optimisers that do not fit together are refused by name", async () => {
  const model = new TinyAdversary();
  const { critic, ...two } = optimisersOf(model);
  const plain = model.phases[0];
  const tries: [
    Partial<LoopOptions>,
    readonly Partial<TrainingPhase<TinyBatch>>[] | null,
    string,
    string,
  ][] = [
    [
      { optimiser: two },
      null,
      "optimiser",
      "needs one for each phase: reconstruction, critic, generator",
    ],
    [
      { optimiser: { ...two, critic, judge: critic } },
      null,
      "optimiser",
      "generator, critic, judge",
    ],
    [{ optimiser: critic }, null, "optimiser", "found one optimiser"],
    [{ optimiser: {} }, null, "optimiser", "or one for each phase"],
    [{}, [{ name: "a/b" }], "name", 'text without "/"'],
    [{}, [{ repeats: 0 }], "repeats", "a whole number of at least 1"],
    [{}, [{ rateFactor: 0 }], "rateFactor", "above 0"],
    [{}, [{ clipNorm: -1 }], "clipNorm", "above 0"],
    [{}, [{}, {}], "phases", "each with a name of its own"],
    [{}, [], "phases", "the model's phases are none"],
  ];
  for (const [more, phases, field, words] of tries) {
    const changed = new TinyAdversary();
    if (phases) changed.phases = phases.map((phase) => ({ ...plain, ...phase }));
    const error = await assertRejects(
      () => runTraining(changed, tinyRows(), options(model, more)),
      ConfigError,
      words,
    );
    assertEquals(error.field, field);
    changed.dispose();
  }
  const error = await assertRejects(
    () => runTraining(plain, tinyRows(), options(model)),
    ConfigError,
    "because the model has no phases",
  );
  assertEquals(error.field, "optimiser");
  model.dispose();
});

/** Of all phases, without what a file adds to an array. */
function withoutDtypes({ optimiser, phases, ...state }: TrainingState) {
  const all = [["", optimiser] as const, ...phases!].map(([name, { tensors, ...values }]) => [
    name,
    values,
    [...tensors].map(([key, { data, shape }]) => [key, data, shape]).sort(),
  ]);
  return [all, state];
}

Deno.test("a state of other phases is refused, one in a run folder keeps every phase", () =>
  inTemporaryFolder(async (folder) => {
    const model = new TinyAdversary();
    const result = await runTraining(model, tinyRows(), options(model, { epochs: 1 }));
    const training = await result.state();
    await saveRun(folder, model, { training, epoch: 1 });
    const read = trainingStateOf(await readRun(folder))!;
    assertEquals(withoutDtypes(read), withoutDtypes(training));
    const { phases: _, ...without } = training;
    await assertRejects(
      () => runTraining(model, tinyRows(), options(model, { resumeFrom: without })),
      CheckpointError,
      'found those of none, needs "critic", "generator"',
    );
    await saveRun(folder, model, { training: without, epoch: 1 });
    assertEquals("phases" in trainingStateOf(await readRun(folder))!, false);
    model.dispose();
  }));
