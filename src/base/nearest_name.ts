/** The name a mistyped one was probably meant to be. */

/**
 * The name with the fewest letters to insert, remove or replace; whether they are capital does not matter.
 *
 * @param word As it was typed.
 * @param names At least one.
 * @returns The nearest; of equally near ones the first.
 */
export function nearestName(word: string, names: readonly string[]): string {
  const distances = names.map((name) => editDistance(word.toLowerCase(), name.toLowerCase()));
  return names[distances.indexOf(Math.min(...distances))];
}

/**
 * As {@link nearestName}, but only a name that the word resembles: half of its letters at most are others.
 *
 * @param word As it was typed.
 * @param names Any number.
 */
export function similarName(word: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const name = nearestName(word, names);
  const edits = editDistance(word.toLowerCase(), name.toLowerCase());
  return edits <= word.length / 2 ? name : undefined;
}

/** Levenshtein's distance, one row of his table after the other. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, above[j] + 1, row[j - 1] + 1));
    }
    above = row;
  }
  return above[b.length];
}
