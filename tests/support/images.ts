/** The test images (tests/data/nifti, see SOURCES.md there), and images made on the spot. */
import { openBoldRun } from "../../src/data/bold_run.ts";

const FOLDER = new URL("../data/nifti/", import.meta.url);

/** Path of a test image. */
export function imagePath(name: string): string {
  return new URL(name, FOLDER).pathname;
}

/** Bytes of a test image. */
export function imageBytes(name: string): Uint8Array {
  return Deno.readFileSync(new URL(name, FOLDER));
}

/** All voxels of a test image, frame after frame, and its facts. */
export async function readImage(name: string) {
  using run = await openBoldRun(imagePath(name));
  const frames = Array.from({ length: run.frames }, (_, t) => run.readFrame(t));
  return { run, values: frames.flatMap((frame) => [...frame]) };
}

/** Smallest, largest and mean value. */
export function summary(values: readonly number[]): { min: number; max: number; mean: number } {
  let [min, max, sum] = [Infinity, -Infinity, 0];
  for (const value of values) {
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
  }
  return { min, max, mean: sum / values.length };
}

/** Runs `body` with a fresh directory that is removed afterwards. */
export async function withDirectory(
  body: (directory: string) => void | Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "recvae_test_" });
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
