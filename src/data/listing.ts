/** Which files of a directory are scans (spec 2.1). */
import { directoryNames } from "./openers/directory.ts";

/**
 * Lists the NIfTI files of a directory: names that end in `.nii` or `.nii.gz` (in lower case) and do not
 * begin with the prefix, in code-point order. Subdirectories are not looked into. The companion files that macOS
 * makes on other disks (`._NAME`) are no scans and always left out.
 *
 * @param directory Path.
 * @param options `skipPrefix`: names beginning with it are left out, default `"norm_"`; `""` keeps all.
 *   `onCompanions`: receives the names of the companion files, if there are any.
 * @returns Names, not paths.
 * @throws {FormatError} (rule `directory.open`) when there is no such directory.
 */
export function listSubjectFiles(
  directory: string,
  options: {
    readonly skipPrefix?: string;
    readonly onCompanions?: (names: readonly string[]) => void;
  } = {},
): string[] {
  const { skipPrefix = "norm_", onCompanions } = options;
  const images = directoryNames(directory).filter((name) => /\.nii(\.gz)?$/.test(name));
  const companions = images.filter((name) => name.startsWith("._"));
  if (companions.length > 0) onCompanions?.(companions);
  return images.filter((name) =>
    !name.startsWith("._") && !(skipPrefix !== "" && name.startsWith(skipPrefix))
  );
}

/** A directory and a name as one path. */
export function joinPath(directory: string, name: string): string {
  return /[\\/]$/.test(directory) ? directory + name : `${directory}/${name}`;
}
