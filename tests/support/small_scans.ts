/** Small NIfTI files of synthetic subjects, as a user might have them. */
import { syntheticCohort } from "../../src/data/synthetic.ts";
import { gzipSync } from "../../src/deps/node_zlib.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";

/** What is in a scan. */
export interface SmallScan {
  /** Each gives another subject; default 0. */
  readonly seed?: number;
  /** Size in voxels; default 8×9×8. */
  readonly spatialShape?: readonly [number, number, number];
  /** Number of frames; default 12. */
  readonly frames?: number;
}

/**
 * Writes a scan, and makes the folders above it.
 *
 * @param path Ends in `.nii`, or in `.nii.gz` to be compressed.
 * @param scan See {@link SmallScan}.
 */
export function writeSmallScan(path: string, scan: SmallScan = {}): void {
  const { seed = 0, spatialShape = [8, 9, 8], frames = 12 } = scan;
  const [subject] = syntheticCohort({ nCn: 1, nAd: 1, frames, spatialShape, seed }).subjects;
  const source = subject.open() as { readFrame(t: number): Float32Array };
  const voxels = spatialShape.reduce((product, n) => product * n);
  const volumes = new Float32Array(frames * voxels);
  for (let t = 0; t < frames; t++) volumes.set(source.readFrame(t), t * voxels);
  const bytes = writeNifti(volumes, { spatialShape, frames, repetitionTime: 2 });
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeFileSync(path, path.endsWith(".gz") ? gzipSync(bytes) : bytes);
}
