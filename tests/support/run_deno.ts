/** Runs Deno programs in processes of their own, with the permissions they are given and no prompts. */

/** What a finished program left behind. */
export interface FinishedProgram {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `deno run` to its end, without type checks and without asking for permissions.
 *
 * @param args What follows `deno run`: permissions, script, arguments.
 * @param cwd Working folder.
 * @param env Variables beside the inherited ones.
 */
export async function runDeno(
  args: readonly string[],
  cwd: string | URL,
  env: Readonly<Record<string, string>> = {},
): Promise<FinishedProgram> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", ...args],
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
