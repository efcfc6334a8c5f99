/** Runs that other processes are writing. */

/**
 * Waits until a run has a whole checkpoint.
 *
 * @param run Its folder.
 */
export async function checkpointIn(run: string): Promise<void> {
  for (;;) {
    try {
      const names = [...Deno.readDirSync(`${run}/checkpoints`)].map(({ name }) => name);
      if (names.some((name) => /^generation-\d+$/.test(name))) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await new Promise((wait) => setTimeout(wait, 5));
  }
}
