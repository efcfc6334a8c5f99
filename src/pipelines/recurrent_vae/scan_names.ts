/** File names for what is derived from a scan. */

/** Extension of every scan this program reads. */
const EXTENSION = /\.(nii|hdr|img)(\.gz)?$/i;
/** What some system does not take in a name, a shell takes for its own, or nobody sees: blanks among them. */
const UNSAFE = /[\s\p{C}\p{Z}\\/:*?"'`<>|&;$!#(){}[\]]+/gu;
/** Systems take names of 255 bytes; what is added to a stem needs some of them. */
const MOST_BYTES = 180;

/** A scan whose results need a name. */
export interface NamedScan {
  /** Path or name. */
  readonly id: string;
  /** Its group. */
  readonly label: string;
  /** Person, if known. */
  readonly subject?: string;
  /** Visit, if known. */
  readonly session?: string;
}

/**
 * A unique stem for each scan: its file name without extension and `_bold`, in its own letters, behind the person (and the
 * visit) where the name does not say who it is of and something else does; where two are equal
 * (as systems see it that know no upper case or one form of an accent), the group and then the row tell them apart.
 *
 * @param scans Paths or names, with their groups.
 * @returns In the same order.
 */
export function uniqueStems(
  scans: readonly NamedScan[],
): string[] {
  const plain = scans.map(stemOf);
  const repeated = repeatedNames(plain);
  const labelled = plain.map((stem, i) =>
    repeated(stem) && scans[i].label !== "" ? `${safe(scans[i].label)}_${stem}` : stem
  );
  const stillRepeated = repeatedNames(labelled);
  const stems = labelled.map((stem, i) => stillRepeated(stem) ? `${stem}_row-${i + 1}` : stem);
  const clashes = repeatedNames(stems); // a file may have the name that another was given
  return stems.some(clashes) ? plain.map((stem, i) => `${stem}_row-${i + 1}`) : stems;
}

/** Says of a name whether it is there more than once. */
function repeatedNames(names: readonly string[]): (name: string) => boolean {
  const fold = (name: string) => name.normalize("NFC").toLowerCase();
  const counts = new Map<string, number>();
  for (const name of names) counts.set(fold(name), (counts.get(fold(name)) ?? 0) + 1);
  return (name) => counts.get(fold(name))! > 1;
}

function stemOf({ id, subject, session }: NamedScan): string {
  const name = id.split(/[\\/]/).at(-1)!;
  const stem = safe(name.replace(EXTENSION, "").replace(/_bold$/, "")) || "scan";
  if (subject === undefined || stem.includes(safe(subject))) return stem;
  const visit = session === undefined ? "" : `_ses-${safe(session)}`;
  return `sub-${safe(subject)}${visit}_${stem}`;
}

function safe(name: string): string {
  let stem = name.replace(UNSAFE, "-");
  while (new TextEncoder().encode(stem).length > MOST_BYTES) stem = [...stem].slice(0, -1).join("");
  return stem;
}
