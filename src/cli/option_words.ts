/**
 * The library's names in a message, as the command line has them: its errors name fields (`learningRate`), a person at
 * a terminal gives options (`--learning-rate`).
 */
import { allFamilies } from "../pipelines/families.ts";

/** Names whose option has another one, or that no option sets. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  spatialShape: "the size of the scans",
  memoryBudget: "--memory",
  testFraction: "--held-out",
  maxNorm: "--clip-norm",
  innerSteps: "--fit-offsets",
};

/**
 * Puts options in the place of the library's names. What stands between double quotes is the user's (a path, a field of
 * a file) and stays.
 *
 * @param message Of an error.
 */
export function inOptionWords(message: string): string {
  const names = new Set(
    allFamilies().flatMap(({ train }) => train.options.map(({ name }) => name)),
  );
  return message.split(/("[^"]*")/).map((part, i) => i % 2 === 1 ? part : translate(part, names))
    .join("");
}

function translate(text: string, names: ReadonlySet<string>): string {
  return text.replace(/\b[a-z]+(?:[A-Z][a-z]*)+\b/g, (word) => {
    const option = word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return OTHER_NAMES[word] ?? (names.has(option) ? `--${option}` : word);
  });
}
