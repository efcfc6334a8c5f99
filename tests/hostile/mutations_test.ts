/**
 * 500 seeded mutants of every kind of sample: each is refused with a `FormatError`, or read, and then
 * exactly as a second, independent reader reads it (see support/plain_readers.ts). Anything else (another
 * error, a hang, other values) fails the test. Sizes that lie ask for more memory than an array can have,
 * so that an allocation before the check would be another error.
 */
import { concatBytes } from "../../src/base/bytes.ts";
import { FormatError } from "../../src/base/errors.ts";
import { openBoldRun } from "../../src/data/bold_run.ts";
import { assert, assertEquals, assertGreater, assertInstanceOf } from "../../src/deps/std.ts";
import { gunzipSync, gzipSync } from "../../src/deps/node_zlib.ts";
import { inflateWhole } from "../../src/formats/gzip.ts";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import { describeTorchFile } from "../../src/formats/torch_outline.ts";
import { readTorchState } from "../../src/formats/torch_state.ts";
import { readStoredZip } from "../../src/formats/zip_stored.ts";
import { imageBytes } from "../support/images.ts";
import { mutant } from "../support/mutations.ts";
import { plainNifti, plainSafetensors } from "../support/plain_readers.ts";
import { faultOf } from "../support/rule_cases.ts";
import { torchFile } from "../support/zip_bytes.ts";

const COUNT = 500;
const FIXTURES = new URL("../golden/fixtures/recvae/", import.meta.url);
const fixture = (name: string) => Deno.readFileSync(new URL(name, FIXTURES));

/**
 * Reads every mutant of a sample. `read` does so and compares; it throws FormatErrors for refusals. Both
 * outcomes must occur often enough, `leastReadings` times and 20 times, or the test would show little.
 */
function testMutants(
  name: string,
  sample: () => Uint8Array,
  read: (bytes: Uint8Array, index: number) => unknown,
  leastReadings = 20,
): void {
  Deno.test(`${name}: ${COUNT} mutants are refused, or read as they stand`, async () => {
    const original = sample();
    await read(original, -1);
    let refused = 0;
    for (let index = 0; index < COUNT; index++) {
      const fault = await faultOf(() => read(mutant(original, index), index));
      if (fault === undefined) continue;
      assertInstanceOf(fault, FormatError, `mutant ${index}: ${fault}`);
      refused++;
    }
    assertGreater(refused, 20, "refusals");
    assertGreater(COUNT - refused, leastReadings, "readings");
  });
}

/** Opens a run and compares every voxel with the independent reader. */
async function compareRun(bytes: Uint8Array, content: () => Uint8Array): Promise<void> {
  using run = await openBoldRun(bytes);
  const plain = plainNifti(content());
  assertEquals([...run.spatialShape, run.frames], plain.shape);
  const voxels = plain.values.length / run.frames;
  for (let t = 0; t < run.frames; t++) {
    const frame = run.readFrame(t);
    for (let v = 0; v < voxels; v++) {
      const expected = plain.values[t * voxels + v];
      assert(Object.is(frame[v], expected), `frame ${t}, voxel ${v}: ${frame[v]}, not ${expected}`);
    }
  }
}

for (
  const name of ["sample_float32_bigendian.nii", "niftirs_27_int64.nii", "niftirs_27_uint16.nii"]
) {
  const sample = () => name.startsWith("sample") ? fixture(name) : imageBytes(name);
  testMutants(name, sample, (bytes) => compareRun(bytes, () => bytes));
}

testMutants(
  "NIfTI-2",
  () =>
    inflateWhole(imageBytes("nibabel_example_nifti2.nii.gz"), { maxBytes: 1e6 }).slice(0, 60000),
  (bytes) => compareRun(withFewerVoxels(bytes), () => withFewerVoxels(bytes)),
);

/** The NIfTI-2 sample is cut to two slices a frame, to keep the test short; mutants of the size stay. */
function withFewerVoxels(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  if (copy.length > 48 && view.getBigInt64(40, true) === 12n) view.setBigInt64(40, 2n, true);
  return copy;
}

testMutants(
  "sample_int16_scaled.nii.gz",
  () => fixture("sample_int16_scaled.nii.gz"),
  (bytes) => compareRun(bytes, () => new Uint8Array(gunzipSync(bytes))),
  0, // nearly every change breaks the compression or the checksum
);

testMutants(
  "sample_int16_scaled.nii.gz, changed inside",
  () => inflateWhole(fixture("sample_int16_scaled.nii.gz"), { maxBytes: 1e6 }),
  (bytes) => compareRun(new Uint8Array(gzipSync(bytes)), () => bytes),
);

testMutants("safetensors", smallSafetensors, (bytes) => {
  const { tensors } = readSafetensors(bytes);
  const found = [...tensors].map(([name, { shape, data }]) => [name, `${shape}: ${[...data]}`]);
  assertEquals(Object.fromEntries(found), plainSafetensors(bytes));
});

function smallSafetensors(): Uint8Array {
  return writeSafetensors([
    ["weight", {
      data: Float32Array.from({ length: 300 }, (_, i) => Math.sin(i)),
      shape: [3, 100],
    }],
    ["counter", { data: BigInt64Array.of(4n), shape: [] }],
    ["table", { data: Float64Array.of(1, 2, 3), shape: [3] }],
    ["bytes", { data: Uint8Array.of(1, 2, 3, 4), shape: [2, 2] }],
  ], { metadata: { format: "pt" } });
}

/** A state dict as text, for comparisons. */
function stateText(state: ReturnType<typeof readTorchState>): string {
  return [...state].map(([name, { shape, data }]) => `${name} [${shape}] ${data}`).join("\n");
}

const PT = fixture("small_state.pt");
const PT_TEXT = stateText(readTorchState(PT));

Deno.test(`small_state.pt: ${COUNT} mutants are refused, or hold the very same tensors`, () => {
  let refused = 0;
  for (let index = 0; index < COUNT; index++) {
    // Every third mutant is hit in the directory at the end, which no checksum covers.
    const bytes = index % 3 === 0
      ? concatBytes([PT.subarray(0, -5000), mutant(PT.subarray(-5000), index, 5000)])
      : mutant(PT, index, 8192);
    try {
      assertEquals(stateText(readTorchState(bytes)), PT_TEXT, `mutant ${index}`);
    } catch (fault) {
      assertInstanceOf(fault, FormatError, `mutant ${index}: ${fault}`);
      refused++;
    }
  }
  assertGreater(refused, COUNT / 2);
});

Deno.test(`the pickle of small_state.pt: ${COUNT} mutants with right checksums make no monsters`, () => {
  const entries = readStoredZip(PT);
  const pickle = entries.get("small_state/data.pkl")!;
  const storages = Object.fromEntries(
    [...entries].filter(([name]) => name.includes("/data/"))
      .map(([name, content]) => [name.split("/").at(-1)!, content]),
  );
  let read = 0;
  for (let index = 0; index < COUNT; index++) {
    try {
      const state = readTorchState(torchFile(mutant(pickle, index, pickle.length), storages));
      for (const [name, { data, shape }] of state) {
        assertEquals(
          shape.reduce((product, n) => product * n, 1),
          data.length,
          `${index}: ${name}`,
        );
        assert(data.byteLength <= PT.length);
      }
      read++;
    } catch (fault) {
      assertInstanceOf(fault, FormatError, `mutant ${index}: ${fault}`);
    }
  }
  assertGreater(read, 5);
});

/** Files of PyTorch that between them hold every opcode and every call that is understood. */
const TORCH_FILES = new URL("../data/torch/", import.meta.url);
const SAMPLES = [
  "beside.pt",
  "checkpoint_legacy.pt",
  "expanded.pt",
  "legacy_4.pt",
  "lightning.ckpt",
  "parameters.pt",
  "protocol_5.pt",
  "refused_sequential.pt",
  "refused_whole_model_4.pt",
  "refused_whole_model_legacy.pt",
  "views_legacy.pt",
];

for (const name of SAMPLES) {
  Deno.test(`the pickles of ${name}: ${COUNT} mutants make no monsters`, () => {
    const bytes = Deno.readFileSync(new URL(name, TORCH_FILES));
    const remade = pickleMutants(bytes);
    let [read, described] = [0, 0];
    for (let index = 0; index < COUNT; index++) {
      try {
        described += Object.keys(describeTorchFile(remade(index), name).holds).length;
        for (const [key, { data, shape }] of readTorchState(remade(index))) {
          const count = shape.reduce((product, n) => product * n, 1);
          assertEquals(count, data.length, `${index}: ${key}`);
          assert(data.byteLength <= 64 * 2 ** 20, `${index}: ${key}`);
        }
        read++;
      } catch (fault) {
        assertInstanceOf(fault, FormatError, `mutant ${index}: ${fault}`);
      }
    }
    if (!name.startsWith("refused")) assertGreater(read, 5);
    assertGreater(described, 5);
  });
}

/** From an index to a file whose pickle is changed; storages, and checksums in archives, stay right. */
function pickleMutants(bytes: Uint8Array): (index: number) => Uint8Array {
  if (bytes[0] === 0x80) return (index) => mutant(bytes, index, bytes.length);
  const entries = [...readStoredZip(bytes)];
  const part = (end: string) => entries.filter(([name]) => name.includes(end));
  const storages = Object.fromEntries(
    part("/data/").map(([name, content]) => [name.split("/").at(-1)!, content]),
  );
  const [[, pickle]] = part("/data.pkl");
  return (index) => torchFile(mutant(pickle, index, pickle.length), storages);
}
