/** Arrays that numpy wrote, compared with what numpy reads; damaged and foreign ones are refused by rule. */
import { FormatError } from "../../src/base/errors.ts";
import { NPY_RULES, readNpy, readNpyHeader } from "../../src/formats/npy.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";

const FOLDER = new URL("../data/npy/", import.meta.url);
const EXPECTED = JSON.parse(Deno.readTextFileSync(new URL("expected.json", FOLDER)));

function bytesOf(name: string): Uint8Array {
  return Deno.readFileSync(new URL(name, FOLDER));
}

/** JSON has no NaN, no −0 and no whole numbers beyond 2^53. */
function sameValue(found: number | bigint, wanted: number | string | boolean): boolean {
  if (typeof wanted === "boolean") return found === Number(wanted);
  if (typeof wanted === "number") return Number(found) === wanted;
  return typeof found === "bigint" ? found === BigInt(wanted) : Object.is(found, Number(wanted));
}

Deno.test("every array that numpy wrote is read as numpy reads it", () => {
  let values = 0;
  for (const [name, facts] of Object.entries<Record<string, never>>(EXPECTED.read)) {
    const bytes = bytesOf(name);
    const { data, shape } = readNpy(bytes, name);
    assertEquals([...shape], facts.shape, name);
    const wanted = [facts.values].flat(9) as unknown as (number | string)[];
    assertEquals(data.length, wanted.length, name);
    wanted.forEach((value, i) => assert(sameValue(data[i], value), `${name}[${i}]: ${data[i]}`));
    const header = readNpyHeader(bytes, name);
    assertEquals([header.fortranOrder, header.dataOffset], [
      facts.fortran_order,
      facts.data_offset,
    ]);
    values += wanted.length;
  }
  assert(values > 900, `${values} values`);
});

Deno.test("what is no array of numbers is refused, objects by name", () => {
  for (const name of Object.keys(EXPECTED.refuse)) {
    const error = assertThrows(() => readNpy(bytesOf(name), name), FormatError, name);
    assert(error.rule in NPY_RULES, error.message);
  }
  assertThrows(() => readNpy(bytesOf("refuse/object.npy")), FormatError, "objects of Python");
});

/** A file of one header. */
function npy(header: string, data = new Uint8Array(24), version = [1, 0]): Uint8Array {
  const text = new TextEncoder().encode(header);
  const start = [0x93, ...new TextEncoder().encode("NUMPY"), ...version];
  return Uint8Array.from([...start, text.length % 256, text.length >> 8, ...text, ...data]);
}

const GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";

for (
  const [rule, bytes] of Object.entries<Uint8Array>({
    "npy.magic": npy(GOOD).fill(0, 0, 1),
    "npy.version": npy(GOOD, undefined, [4, 0]),
    "npy.header": npy(GOOD.replace("'shape'", "'form'")),
    "npy.dtype": npy(GOOD.replace("<f4", "<c8")),
    "npy.shape": npy(GOOD.replace("(2, 3)", "(2, -3)")),
    "npy.data": npy(GOOD, new Uint8Array(23)),
  })
) {
  Deno.test(`a .npy file that breaks ${rule} is refused by it`, () => {
    assertEquals(readNpy(npy(GOOD)).shape, [2, 3]);
    assertEquals(assertThrows(() => readNpy(bytes), FormatError).rule, rule);
  });
}

Deno.test("2,000 mutations of .npy files: refused by rule, or an array of the size that its header says", () => {
  const random = RandomStream.fromSeed(7).split("npy");
  const files = ["v1_f_big_f8.npy", "v2_c_i8.npy", "v3_f_b1.npy", "c_2x3x4x5_i2.npy"].map(bytesOf);
  let read = 0;
  for (let i = 0; i < 2000; i++) {
    const bytes = files[i % files.length].slice();
    for (let k = 0; k <= random.integer(3); k++) {
      bytes[random.integer(random.uniform() < 0.8 ? 128 : bytes.length)] = random.integer(256);
    }
    const cut = random.uniform() < 0.1 ? bytes.slice(0, random.integer(bytes.length)) : bytes;
    try {
      const { data, shape } = readNpy(cut);
      assertEquals(data.length, shape.reduce((product, n) => product * n, 1));
      read++;
    } catch (error) {
      assert(error instanceof FormatError && error.rule in NPY_RULES, String(error));
    }
  }
  assert(read > 20 && read < 1900, `${read} were still arrays`);
});
