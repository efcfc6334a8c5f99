/** Seeded edits of JSON: every one can be made again from its number. */
import type { RandomStream } from "../../src/base/random.ts";

/** What a value may become. `huge` numbers are what a loop or an allocation must not believe. */
const REPLACEMENTS: readonly unknown[] = [
  null,
  true,
  "",
  "5",
  "NaN",
  "../../etc/passwd",
  0,
  -1,
  0.5,
  1e9,
  2 ** 53,
  1e308,
  -1e308,
  [],
  {},
  [1, "a", null],
  [[[[[[[[3]]]]]]]],
  { length: 1e9 },
  JSON.parse('{"__proto__": {"path": 1}, "constructor": 2}'),
  "x".repeat(100_000),
];

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/**
 * One edit of a JSON text: a value replaced, removed, moved, renamed or repeated, or the text cut.
 *
 * @param text JSON.
 * @param random Decides.
 * @returns Text that may no longer be JSON.
 */
export function editedJson(text: string, random: RandomStream): string {
  if (random.integer(20) === 0) return text.slice(0, random.integer(text.length));
  const root = { content: JSON.parse(text) as Json };
  const places = placesIn(root);
  const { parent, key } = places[random.integer(places.length)];
  const holder = parent as Record<string, unknown>;
  switch (random.integer(6)) {
    case 0:
      delete holder[key];
      break;
    case 1: {
      const source = places[random.integer(places.length)];
      holder[key] = structuredClone((source.parent as Record<string, unknown>)[source.key]);
      break;
    }
    case 2:
      holder[`${key}x`] = holder[key];
      break;
    case 3:
      return repeatedName(root.content, { holder, key }, random);
    default:
      holder[key] = REPLACEMENTS[random.integer(REPLACEMENTS.length)];
  }
  return JSON.stringify(root.content ?? null);
}

/** JSON in which a name occurs twice, the second time with another value. */
function repeatedName(
  content: Json,
  { holder, key }: { readonly holder: Record<string, unknown>; readonly key: string },
  random: RandomStream,
): string {
  const again = JSON.stringify(REPLACEMENTS[random.integer(REPLACEMENTS.length)]);
  const before = JSON.stringify(holder[key]);
  const name = JSON.stringify(key);
  return JSON.stringify(content).replace(
    `${name}:${before}`,
    () => `${name}:${before},${name}:${again}`,
  );
}

interface Place {
  readonly parent: object;
  readonly key: string;
}

/** Every value of a tree with its holder; of a long list the first entries only. */
function placesIn(parent: object): Place[] {
  return Object.entries(parent).slice(0, 40).flatMap(([key, value]) => [
    { parent, key },
    ...(typeof value === "object" && value !== null ? placesIn(value) : []),
  ]);
}
