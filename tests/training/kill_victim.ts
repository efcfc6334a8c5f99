/**
 * Child process of kill_test.ts: resumes from the newest checkpoint in the folder given as argument and then saves
 * checkpoint after checkpoint until it is killed. Prints "ready" once it has resumed, and each epoch that is safely saved.
 */
import { CheckpointStore, loadCheckpoint, saveCheckpoint } from "../../src/training/checkpoint.ts";
import { RunLog } from "../../src/training/run_log.ts";
import type { NamedArrays } from "../../src/training/weight_holder.ts";

/** 64 KiB of weights that all equal the epoch, so that a mixture of two saves shows. */
function weightsOf(epoch: number): NamedArrays {
  return new Map([["weight", { data: new Float32Array(2 ** 14).fill(epoch), shape: [2 ** 14] }]]);
}

if (import.meta.main) {
  const [folder] = Deno.args;
  const store = new CheckpointStore(`${folder}/checkpoints`, { keep: 2 });
  const model = {
    stateDict: (): Promise<NamedArrays> => Promise.resolve(weightsOf(epoch)),
    loadStateDict() {},
  };
  const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
  let epoch: number = (await loadCheckpoint(store, model))?.epoch ?? 0;
  const log = await RunLog.open(`${folder}/log.jsonl`, { fromEpoch: epoch });
  print("ready");
  for (;;) {
    await log.append({ epoch, loss: 1 / (epoch + 1) });
    epoch++;
    await saveCheckpoint(store, model, { epoch, config: { epoch }, history: [epoch] });
    print(String(epoch));
  }
}
