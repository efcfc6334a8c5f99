/** Seeded damage to files: every mutant can be made again from its number. */
import { concatBytes } from "../../src/base/bytes.ts";
import { RandomStream } from "../../src/base/random.ts";

/** Byte values that tend to break readers. */
const STRIKING = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x28, 0x2e, 0x7b, 0x7d, 0x22];

/**
 * Mutant number `index` of a file: one to four of bit flips, striking bytes and words, cuts, insertions,
 * removals, repetitions and swapped blocks. Half of them hit the first `head` bytes.
 */
export function mutant(
  original: Uint8Array,
  index: number,
  head = Math.min(512, original.length),
): Uint8Array {
  const random = RandomStream.fromSeed(20).split("mutant").split(index);
  let bytes: Uint8Array = original.slice();
  const changes = 1 + random.integer(4);
  for (let change = 0; change < changes && bytes.length > 8; change++) {
    const range = random.integer(2) === 0 ? Math.min(head, bytes.length) : bytes.length;
    bytes = changed(bytes, random.integer(range), random);
  }
  return bytes;
}

function changed(bytes: Uint8Array, at: number, random: RandomStream): Uint8Array {
  const length = 1 + random.integer(16);
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at);
  switch (random.integer(9)) {
    case 0:
    case 1:
      bytes[at] ^= 1 << random.integer(8);
      return bytes;
    case 2:
    case 3:
      bytes[at] = STRIKING[random.integer(STRIKING.length)];
      return bytes;
    case 4:
      return bytes.fill(STRIKING[random.integer(STRIKING.length)], at, at + length);
    case 5:
      return before.slice();
    case 6:
      return concatBytes([before, Uint8Array.from({ length }, () => random.integer(256)), after]);
    case 7:
      return concatBytes([before, after.subarray(length)]);
    default:
      return concatBytes([before, after.subarray(0, length), after]);
  }
}
