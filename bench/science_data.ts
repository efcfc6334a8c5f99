/**
 * Two groups of people whose anatomy differs from person to person: three patterns common to all rise and fall as AR(1)
 * series, in the second group faster. Data on which a model without bounds diverges.
 */
import { RandomStream } from "../src/base/random.ts";
import { NiftiFile } from "../src/files/nifti_file.ts";
import { makeFolder } from "../src/files/whole_folder.ts";

/** Size of the scans. */
const SHAPE = [20, 22, 18] as const;
const FRAMES = 40;
const PEOPLE = 8;
/** Coefficients of the three series in each group. */
const PERSISTENCE = { CN: [0.9, 0.8, 0.6], AD: [0.7, 0.5, 0.3] } as const;

/**
 * Writes the scans as FOLDER/CN and FOLDER/AD, four people each.
 *
 * @param folder Where; made if it does not exist.
 * @param options `seed`, default 0.
 */
export async function writeTwoGroups(
  folder: string,
  { seed = 0 }: { readonly seed?: number } = {},
): Promise<void> {
  const stream = RandomStream.fromSeed(seed).split("two-groups");
  const inside = head();
  const patterns = [0, 1, 2].map((k) => smoothField(stream.split("patterns").split(k)));
  for (let n = 0; n < PEOPLE; n++) {
    const label = n < PEOPLE / 2 ? "CN" : "AD";
    makeFolder(`${folder}/${label}`);
    const own = stream.split("person").split(n);
    const anatomy = smoothField(own.split("anatomy"));
    using file = new NiftiFile(`${folder}/${label}/sub-${n + 1}_task-rest_bold.nii`, {
      spatialShape: SHAPE,
      frames: FRAMES,
      repetitionTime: 2,
    });
    const strengths = [0, 0, 0];
    for (let t = 0; t < FRAMES; t++) {
      const draws = own.split("series").split(t).normals(3);
      const noise = own.split("noise").split(t).normals(inside.length);
      PERSISTENCE[label].forEach((a, k) =>
        strengths[k] = a * strengths[k] + Math.sqrt(1 - a * a) * draws[k]
      );
      await file.append(inside.map((head, v) => {
        const signal = patterns.reduce((sum, pattern, k) => sum + strengths[k] * pattern[v], 0);
        return head * (800 + 150 * anatomy[v] + 12 * signal) + 8 * noise[v];
      }));
    }
    await file.finish();
  }
}

/** 1 inside an ellipsoid, 0 outside. */
function head(): Float32Array {
  const [X, Y, Z] = SHAPE;
  return Float32Array.from({ length: X * Y * Z }, (_, v) => {
    const place = [v % X, Math.floor(v / X) % Y, Math.floor(v / (X * Y))];
    const radius = place.reduce((sum, i, axis) => {
      const half = (SHAPE[axis] - 1) / 2;
      return sum + ((i - half) / (0.85 * half)) ** 2;
    }, 0);
    return radius <= 1 ? 1 : 0;
  });
}

/** A sum of six waves of random direction: smooth, about unit variance. */
function smoothField(stream: RandomStream): Float32Array {
  const [X, Y, Z] = SHAPE;
  const waves = Array.from({ length: 6 }, (_, i) => [...stream.split(i).normals(4)]);
  return Float32Array.from({ length: X * Y * Z }, (_, v) => {
    const place = [v % X, Math.floor(v / X) % Y, Math.floor(v / (X * Y))];
    return waves.reduce(
      (sum, [kx, ky, kz, phase]) =>
        sum + Math.cos(0.25 * (kx * place[0] + ky * place[1] + kz * place[2]) + 6 * phase),
      0,
    ) / Math.sqrt(3);
  });
}
