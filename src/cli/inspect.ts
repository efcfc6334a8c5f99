/** `recvae inspect`: what a file or a run folder is. */
import { FormatError } from "../base/errors.ts";
import { previewNifti } from "../data/bold_run.ts";
import { entityPairs } from "../data/bids.ts";
import { listDataset } from "../data/dataset.ts";
import { personOf } from "../data/persons.ts";
import { readFileHead, readRegularFile } from "../data/openers/regular_file.ts";
import { describeFile, type FileKind, identifyFile } from "../formats/file_kind.ts";
import { readSafetensors } from "../formats/safetensors.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./failures.ts";
import { printJson } from "./output.ts";
import { torchFacts } from "./torch_facts.ts";
import { allFamilies, familyOfRun } from "../pipelines/families.ts";
import { fileKindOf, HEAD_BYTES } from "../pipelines/file_kinds.ts";
import { isRun } from "../pipelines/run_argument.ts";
import { unfinishedRun } from "../pipelines/unfinished_run.ts";

/** The half of a pair that holds the voxels has no header of its own. */
const IMAGE_HALF = /\.img(\.gz)?$/i;

/** Facts by name, in the order in which they are shown. */
type Facts = Record<string, unknown>;

/** The command. */
export const inspectCommand = defineCommand({
  name: "inspect",
  summary: "Show what a scan, a dataset, a weights file or a run is",
  usage: "inspect FILE|DATASET|RUN [--json]",
  description:
    "NIfTI: size, frames, repetition time, affine, element type, range of the first frame, and what is odd in the " +
    "header; of a compressed file only the first frame is unpacked. " +
    "safetensors and PyTorch state dictionaries: names, shapes and ranges of the arrays. Other PyTorch " +
    "files: what they hold. A folder of scans, a BIDS dataset say: which files are used, and why the others are not. A run folder: what was trained, how far, and the eigenvalues of its transition matrix.",
  options: [{ name: "json", kind: "flag", help: "Print the facts as JSON" }],
  examples: [
    { line: "recvae inspect sub-01_bold.nii.gz", does: "a scan" },
    { line: "recvae inspect scans", does: "a folder of scans: what is used and what is not" },
    { line: "recvae inspect runs/first --json", does: "a run, for a program" },
  ],
  positionals: [1, 1],
  async run({ values, positionals: [path] }) {
    const facts = isFolder(path) ? await runFacts(path) : await fileFacts(path);
    if (values.json) printJson(facts);
    else for (const [name, value] of Object.entries(facts)) printFact(name, value);
    return EXIT.ok;
  },
});

async function runFacts(folder: string): Promise<Facts> {
  if (!isRun(folder)) {
    const dataset = datasetFacts(folder);
    if (dataset) return dataset;
  }
  const unfinished = await unfinishedRun(folder, "inspect");
  return unfinished ? { ...unfinished } : await familyOfRun(folder).inspect(folder);
}

/** What is used of a folder of scans, and what is not and why; undefined when it holds no images. */
function datasetFacts(folder: string): Facts | undefined {
  const { described, scans, leftOut, absent } = listDataset(folder, { skipFolder: isRun });
  if (scans.length + leftOut.length + absent.length === 0) return undefined;
  const values = (entity: string) =>
    [...new Set(scans.map((path) => new Map(entityPairs(path)).get(entity) ?? "none"))].sort();
  const persons = new Set(scans.map((path) => personOf(path).subject));
  return {
    kind: described ? "BIDS dataset" : "folder of scans",
    scans: scans.length,
    persons: persons.has(undefined) ? null : persons.size,
    sessions: values("ses"),
    tasks: values("task"),
    spaces: values("space"),
    processing: values("desc"),
    used: scans,
    leftOut: [
      ...absent.map((path) => ({
        path,
        reason: "links to content that is not here (datalad get)",
      })),
      ...leftOut,
    ],
  };
}

/** Kinds that the reader of images takes, or refuses with the better reason. */
const IMAGE_KINDS: readonly FileKind[] = [
  "gzip",
  "nifti-1",
  "nifti-1 pair",
  "nifti-2",
  "nifti-2 pair",
  "analyze",
];

async function fileFacts(path: string): Promise<Facts> {
  const head = readFileHead(path, HEAD_BYTES);
  const own = fileKindOf(head, path);
  if (own) return await own.facts(path);
  const kind = identifyFile(head);
  if (kind === "safetensors") {
    const { tensors, metadata } = readSafetensors(readRegularFile(path), path);
    return { kind: "safetensors", metadata, arrays: arrayFacts(tensors) };
  }
  if (kind === "zip" || kind === "pickle") {
    const { facts, arrays } = torchFacts(path);
    return arrays.size > 0 ? { ...facts, arrays: arrayFacts(arrays) } : facts;
  }
  if (IMAGE_KINDS.includes(kind) || IMAGE_HALF.test(path)) return await scanFacts(path);
  const others = allFamilies().flatMap(({ fileKinds = [] }) => fileKinds)
    .map(({ name }) => `, ${name}`).join("");
  throw new FormatError(
    path,
    "inspect.kind",
    `Cannot inspect "${path}": it is ${describeFile(head, path)}, ` +
      `needs a NIfTI, safetensors or PyTorch file${others}, or the folder of a run`,
  );
}

async function scanFacts(path: string): Promise<Facts> {
  const { header, firstFrame, remarks } = await previewNifti(path);
  return {
    kind: `NIfTI-${header.version}`,
    spatialShape: header.spatialShape,
    frames: header.frames,
    repetitionTime: header.repetitionTime,
    voxelSizes: header.voxelSizes,
    affine: header.affine,
    affineFrom: header.affineSource,
    datatype: header.datatype,
    byteOrder: header.littleEndian ? "little-endian" : "big-endian",
    scaling: { slope: header.slope, intercept: header.intercept },
    firstFrame: rangeOf(firstFrame),
    description: header.description,
    remarks,
  };
}

interface NamedArray {
  readonly data: ArrayLike<number | bigint>;
  readonly shape: readonly number[];
}

function arrayFacts(tensors: ReadonlyMap<string, NamedArray>): Facts[] {
  return Array.from(tensors, ([name, { data, shape }]) => ({ name, shape, ...rangeOf(data) }));
}

function rangeOf(values: ArrayLike<number | bigint>): { min: number; max: number; mean: number } {
  let [min, max, sum] = [Infinity, -Infinity, 0];
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  return { min, max, mean: sum / values.length };
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // opening says why
  }
}

function printFact(name: string, value: unknown): void {
  if (name === "arrays") {
    for (const { name, shape, min, max, mean } of value as Record<string, unknown>[]) {
      const size = `[${(shape as number[]).join(", ")}]`.padEnd(22);
      const range = [min, max, mean].map((v) => String(Number((v as number).toPrecision(4))));
      console.log(
        `${String(name).padEnd(32)} ${size} ${range[0]} to ${range[1]}, mean ${range[2]}`,
      );
    }
    return;
  }
  if (name === "used" || name === "leftOut") {
    const word = name === "used" ? "used" : "left out";
    for (const one of value as (string | { path: string; reason: string })[]) {
      const text = typeof one === "string" ? one : `${one.path}: ${one.reason}`;
      console.log(`${word.padEnd(18)} ${text}`);
    }
    return;
  }
  if (name === "remarks") {
    for (const remark of value as string[]) console.log(`${"remark".padEnd(18)} ${remark}`);
    return;
  }
  if (name === "holds") {
    for (const [key, what] of Object.entries(value as object)) {
      console.log(`  ${key.padEnd(30)} ${what}`);
    }
    return;
  }
  const shown = value === null
    ? "unknown"
    : Array.isArray(value)
    ? value.join(value.every((part) => typeof part === "string") ? ", " : " ")
    : typeof value === "object"
    ? Object.entries(value).map(([key, part]) => `${key} ${part}`).join(", ")
    : String(value);
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  console.log(`${words.padEnd(18)} ${shown}`);
}
