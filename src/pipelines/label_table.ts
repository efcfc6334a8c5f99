/** Groups of persons by a table such as a participants.tsv: the first column names the person. */
import { FormatError } from "../base/errors.ts";
import { nearestName } from "../base/nearest_name.ts";
import { readRegularText } from "../data/openers/regular_file.ts";

/** What stands for a missing value. */
const MISSING = new Set(["", "n/a", "N/A", "NA"]);

/**
 * Reads a table with a line of names, its cells parted by tabs or, where there are none, commas.
 *
 * @param path Of the file.
 * @param column Name of the one that holds the group; default `group`, else the second.
 * @returns Group by person; those without one are left out.
 * @throws {FormatError} when the file cannot be read, has no such column, or names a person twice with different groups.
 */
export function readLabels(path: string, column?: string): Record<string, string> {
  const refuse = (found: string, needs: string) =>
    new FormatError(path, "labels.table", `Cannot read groups from "${path}": ${found}, ${needs}`);
  const lines = readRegularText(path).replace(/^\uFEFF/, "").split(/\r?\n/)
    .filter((line) => line.trim() !== "");
  const separator = lines[0]?.includes("\t") ? "\t" : ",";
  const [names = [], ...rows] = lines.map((line) =>
    line.split(separator).map((cell) => cell.trim())
  );
  if (names.length < 2) {
    throw refuse(
      "found no second column",
      "needs a line of names and columns parted by tabs or commas",
    );
  }
  const wanted = column ?? (names.slice(1).includes("group") ? "group" : names[1]);
  const place = names.indexOf(wanted);
  if (place < 1) {
    const known = names.slice(1);
    throw refuse(
      `found no column "${wanted}" beside the persons`,
      `needs one of ${known.join(", ")}; did you mean --group-column ${
        nearestName(wanted, known)
      }?`,
    );
  }
  const labels: Record<string, string> = {};
  for (const row of rows) {
    const [person, label = ""] = [row[0], row[place]];
    if (MISSING.has(label)) continue;
    if (Object.hasOwn(labels, person) && labels[person] !== label) {
      throw refuse(
        `found "${person}" in the groups "${labels[person]}" and "${label}"`,
        "needs one group a person",
      );
    }
    labels[person] = label;
  }
  if (Object.keys(labels).length === 0) {
    throw refuse(`found no group in the column "${wanted}"`, "needs at least one");
  }
  return labels;
}

/**
 * The group of a person, with or without the `sub-` of BIDS on either side; a session has that of its person.
 *
 * @param labels From {@link readLabels}.
 * @param person Name in the data.
 */
export function labelOfPerson(
  labels: Readonly<Record<string, string>>,
  person: string,
): string | undefined {
  const bare = person.replace(/^sub-/, "");
  const [subject] = person.split("_ses-");
  const names = [person, `sub-${bare}`, bare, subject, subject.replace(/^sub-/, "")];
  const found = names.find((name) => Object.hasOwn(labels, name));
  return found === undefined ? undefined : labels[found];
}
