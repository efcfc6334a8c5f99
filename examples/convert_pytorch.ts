/**
 * Takes the weights of a PyTorch checkpoint over, without PyTorch, and writes them as safetensors that PyTorch
 * can load again. Code in the checkpoint is never run.
 *
 * Run with: deno run --allow-read=tests,runs --allow-write=runs examples/convert_pytorch.ts tests/golden/fixtures/recvae/small_state.pt runs/converted
 */
import {
  readSafetensors,
  readTorchState,
  RecurrentVae,
  selectBackend,
  writeSafetensors,
} from "../mod.ts";

const [source, folder] = Deno.args;
const state = readTorchState(Deno.readFileSync(source), { source });
const shapeOf = (key: string) => state.get(key)!.shape;
console.log(
  `${state.size} tensors, for example encoder1.0.weight [${shapeOf("encoder1.0.weight")}]`,
);

// A checkpoint does not say how large its volumes were; everything else follows from its shapes.
await selectBackend("cpu");
const [subjects, latentDim] = shapeOf("z_vectors");
const [encOutDim] = shapeOf("encoder5.1.weight");
const model = new RecurrentVae(
  { spatialShape: [23, 27, 21], latentDim, encOutDim, tolTime: 3 },
  { subjects },
);
model.loadStateDict(state);
const target = `${folder}/weights.safetensors`;
Deno.mkdirSync(folder, { recursive: true });
Deno.writeFileSync(target, writeSafetensors(await model.stateDict()));
const { tensors } = readSafetensors(Deno.readFileSync(target), target);
console.log(`wrote ${tensors.size} tensors to ${target}`);
