/**
 * The program with which the installer tries a freshly built addon: loads it, runs one operation, and prints
 * what it found as one line of JSON.
 */
import { programArguments, writeOutput } from "../../deps/node_process.ts";
import { tf } from "../../deps/tfjs.ts";
import { loadTensorFlowAddon, loadTensorFlowPackage } from "../../deps/tfjs_node.ts";

async function main(): Promise<void> {
  const { createBackend } = await loadTensorFlowPackage();
  const addon = loadTensorFlowAddon(programArguments()[0]);
  tf.registerBackend("tensorflow", () => createBackend(addon) as unknown as tf.KernelBackend, 0);
  await tf.setBackend("tensorflow");
  const [sum] = await tf.sum(tf.tensor1d([1, 2, 3])).data();
  if (sum !== 6) throw new Error(`1 + 2 + 3 gave ${sum}`);
  writeOutput(JSON.stringify({ version: addon.TF_Version, gpu: addon.isUsingGpuDevice() }) + "\n");
}

if (import.meta.main) main();
