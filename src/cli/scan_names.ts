/** File names for what is derived from a scan. */

/** Extension of every scan this program reads. */
const EXTENSION = /\.(nii|hdr|img)(\.gz)?$/i;

/**
 * A unique stem for each scan: its file name without extension and `_bold`; where two are equal, the group
 * and then the row tell them apart.
 *
 * @param scans Paths or names, with their groups. @returns In the same order.
 */
export function uniqueStems(
  scans: readonly { readonly id: string; readonly label: string }[],
): string[] {
  const plain = scans.map(({ id }) => stemOf(id));
  const repeats = (names: readonly string[], name: string) =>
    names.filter((other) => other === name).length > 1;
  const labelled = plain.map((stem, i) =>
    repeats(plain, stem) && scans[i].label !== "" ? `${scans[i].label}_${stem}` : stem
  );
  return labelled.map((stem, i) => repeats(labelled, stem) ? `${stem}_row-${i + 1}` : stem);
}

function stemOf(id: string): string {
  const name = id.split(/[\\/]/).at(-1)!;
  const stem = name.replace(EXTENSION, "").replace(/_bold$/, "");
  return stem.replace(/[^\w.-]+/g, "-") || "scan";
}
