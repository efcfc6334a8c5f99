/**
 * A 1-D convolutional autoencoder of one's own learns sines, is stopped, and resumes to the same bits.
 *
 * Run with: deno run --allow-read=runs --allow-write=runs examples/own_model.ts runs
 */
import * as recvae from "../mod.ts";
import { conv1d, convTranspose1d, tanh, tf } from "../src/ops/mod.ts";
import * as parameters from "../src/parameters/mod.ts";
import * as training from "../src/training/mod.ts";

const [rows, length, epochs] = [16, 16, 60];
const entries = ["encoder", "decoder"].flatMap((name) =>
  parameters.convolutionEntries(name, { axes: [3, 1, 4], transposed: name === "decoder" })
);
await recvae.selectBackend("wasm", { threads: 1 });
const wave = (_: unknown, i: number) => Math.sin(0.7 * (i % length) + Math.floor(i / length));
const sines = tf.tensor(Float32Array.from({ length: rows * length }, wave), [rows, length, 1]);
const random = parameters.RandomStream.fromSeed(7);
const start = parameters.drawStartingValues(entries, { random });

/** Trains from the newest checkpoint, or from the start, up to an epoch, and saves what it came to. */
async function train(folder: string, until: number) {
  const network = new parameters.ParameterStore(entries, start);
  const model = {
    variables: network.parameters,
    stateDict: () => network.export(),
    loadStateDict: (state: training.NamedArrays) => network.load(new Map(state)),
    computeGradients: () => training.tapeGradients(network.parameters, () => ({ loss: error() })),
  };
  const layer = (name: string, stride = 2) => ({ stride, padding: 1, bias: network.tensor(name) });
  const error = () => {
    const code = tanh(conv1d(sines, network.tensor("encoder.weight"), layer("encoder.bias")));
    const found = convTranspose1d(code, network.tensor("decoder.weight"), layer("decoder.bias"));
    return tf.mean(tf.square(tf.sub(found, sines))) as tf.Scalar;
  };
  const optimiser = training.createOptimiser("adam", model.variables);
  const schedule = training.createSchedule("constant", { learningRate: 0.03, epochs });
  const store = new recvae.CheckpointStore(folder);
  const saved = await recvae.loadCheckpoint(store, model, { optimiser });
  const resumeFrom = (saved && recvae.trainingStateOf(saved)) ?? undefined;
  const save: training.EpochCallback = async (epoch, _metrics, controls) => {
    if (epoch + 1 < until) return;
    await recvae.saveCheckpoint(store, model, { training: await controls.state() });
  };
  const loader = { batches: () => [{ rows: [...Array(rows).keys()] }] }; // all rows in one batch
  const options = { epochs: until, optimiser, schedule, resumeFrom, callbacks: [save] };
  const { metrics } = await training.runTraining(model, loader, options);
  return { losses: metrics.map(({ loss }) => loss), weights: [...await network.export()] };
}

const [folder, name] = [Deno.args[0], `own-model-${Date.now()}`];
const whole = await train(`${folder}/${name}-whole`, epochs);
for (const until of [epochs / 2, epochs]) {
  const { losses, weights } = await train(`${folder}/${name}`, until);
  const equal = weights.every(([, { data }], i) => `${data}` === `${whole.weights[i][1].data}`);
  console.log(
    `${losses.length} epochs: loss ${losses[0]} -> ${losses.at(-1)}, same bits: ${equal}`,
  );
}
