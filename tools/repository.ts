/** What the checks share: the repository's files, and how a check reports. */

/** Folders that hold nothing of ours. */
const SKIPPED = new Set([".git", "runs", "coverage", ".cache", "node_modules"]);

/** Absolute path of the repository root, with a trailing slash. */
export const ROOT: string = new URL("../", import.meta.url).pathname;

/**
 * Paths of the files below `folder`, relative to the repository root, in code-point order.
 *
 * @param folder Relative to the root; `""` for all of it. Missing folders have no files.
 * @param keep Which paths to list. Default: all.
 */
export function listFiles(folder = "", keep: (path: string) => boolean = () => true): string[] {
  const found: string[] = [];
  const visit = (path: string) => {
    let entries: Deno.DirEntry[];
    try {
      entries = [...Deno.readDirSync(ROOT + path)];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    for (const entry of entries) {
      const below = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory && !SKIPPED.has(entry.name)) visit(below);
      else if (entry.isFile && keep(below)) found.push(below);
    }
  };
  visit(folder);
  return found.sort();
}

/**
 * Prints the problems of a check and ends the process: exit code 0 without problems, 1 with.
 *
 * @param check What was checked, e.g. `"import layers"`.
 * @param problems One line each.
 * @param detail What was looked at, e.g. `"120 files"`.
 */
export function report(check: string, problems: readonly string[], detail: string): never {
  for (const problem of problems) console.error(problem);
  console.log(
    `${check}: ${problems.length === 0 ? "ok" : `${problems.length} problems`} (${detail})`,
  );
  Deno.exit(problems.length === 0 ? 0 : 1);
}
