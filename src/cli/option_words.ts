/**
 * The library's names in a message, as the command line has them: its errors name fields (`learningRate`), a person at
 * a terminal gives options (`--learning-rate`).
 */
import { allFamilies } from "../pipelines/families.ts";

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
  const others = Object.assign({}, ...allFamilies().map(({ optionNames }) => optionNames));
  return message.split(/("[^"]*")/).map((part, i) =>
    i % 2 === 1 ? part : translate(part, names, others)
  ).join("");
}

function translate(
  text: string,
  names: ReadonlySet<string>,
  others: Readonly<Record<string, string>>,
): string {
  return text.replace(/\b[a-z]+(?:[A-Z][a-z]*)+\b/g, (word) => {
    const option = word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return others[word] ?? (names.has(option) ? `--${option}` : word);
  });
}
