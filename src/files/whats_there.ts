/** What a path leads to. Questions, not openings: whoever opens a file says why it cannot be read. */

/**
 * Whether a path leads to a file; false also where that cannot be told.
 *
 * @param path Any.
 */
export function isFile(path: string): boolean {
  try {
    return kindOf(path) === "file";
  } catch {
    return false;
  }
}

/**
 * What a path leads to.
 *
 * @param path Any.
 * @returns `"below a file"`: a part before the last one is no folder.
 * @throws what the system says when it cannot be told: without permission to look, for links that go in circles.
 */
export function kindOf(path: string): "file" | "folder" | "other" | "below a file" | "nothing" {
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    return isFile ? "file" : isDirectory ? "folder" : "other";
  } catch (error) {
    if (error instanceof Deno.errors.NotADirectory) return "below a file";
    if (error instanceof Deno.errors.NotFound) return "nothing";
    throw error;
  }
}

/**
 * Whether anything has this name, be it a link that leads nowhere.
 *
 * @param path Any. False below a file: writing says so.
 * @throws what the system says when it cannot be told.
 */
export function isTaken(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}

/**
 * Whether two paths lead to one file, over links as well; false where that cannot be told.
 *
 * @param a A path.
 * @param b Another.
 */
export function isSameFile(a: string, b: string): boolean {
  try {
    if (Deno.realPathSync(a) === Deno.realPathSync(b)) return true;
    const [one, other] = [Deno.statSync(a), Deno.statSync(b)];
    return Boolean(one.ino) && one.ino === other.ino && one.dev === other.dev;
  } catch {
    return false;
  }
}

/**
 * Names in a folder.
 *
 * @param folder May not exist.
 * @returns Empty where there is none; null for a file, and below one.
 */
export function namesIn(folder: string): string[] | null {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    if (error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}
