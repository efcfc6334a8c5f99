/**
 * Makes a synthetic cohort, measures the difference between its two groups, and writes its scans as NIfTI
 * files when a folder is named.
 *
 * Run with: deno run --allow-read=runs --allow-write=runs examples/synthetic_cohort.ts runs/synthetic
 */
import { syntheticCohort, writeNifti } from "../mod.ts";

const cohort = syntheticCohort({ nCn: 3, nAd: 3, frames: 12, spatialShape: [20, 18, 16], seed: 1 });
const [X] = cohort.spatialShape;
const [folder] = Deno.args;
if (folder) Deno.mkdirSync(folder, { recursive: true });

for (const subject of cohort.subjects) {
  const run = await subject.open();
  const volumes = new Float32Array(cohort.frames * X * 18 * 16);
  const squares = { left: 0, right: 0 };
  for (let t = 0; t < cohort.frames; t++) {
    const frame = run.readFrame(t);
    volumes.set(frame, t * frame.length);
    // x runs fastest: the remainder by X is the voxel's x.
    frame.forEach((value, i) => squares[i % X < X / 2 ? "left" : "right"] += value ** 2);
  }
  const ratio = Math.sqrt(squares.left / squares.right);
  console.log(`${subject.id} (${subject.label}): strength left/right ${ratio.toFixed(2)}`);
  if (folder) {
    const { spatialShape, frames } = cohort;
    const bytes = writeNifti(volumes, { spatialShape, frames, repetitionTime: 3 });
    Deno.writeFileSync(`${folder}/${subject.id}_bold.nii`, bytes);
  }
}
