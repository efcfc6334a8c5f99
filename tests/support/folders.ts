/** Temporary folders that are gone when a test ends. */

/**
 * Runs a body with an empty folder and removes it afterwards, also when the body fails.
 *
 * @param body Receives the folder's path.
 */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
