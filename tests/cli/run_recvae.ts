/** Runs the program as a user does: in a process of its own. */

/** Path of the program. */
const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** What a finished run left behind. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The Deno command line that starts `recvae` with everything allowed that its commands may need. */
function commandLine(args: readonly string[]): string[] {
  return [
    "run",
    "--quiet",
    "--no-check",
    "--allow-read",
    "--allow-write",
    "--allow-env",
    MAIN,
    ...args,
  ];
}

/**
 * Starts `recvae`, its output piped.
 *
 * @param args Command line.
 * @param env Variables beside the inherited ones.
 */
export function startRecvae(args: readonly string[], env: Record<string, string> = {}) {
  return new Deno.Command(Deno.execPath(), {
    args: commandLine(args),
    env: { NO_COLOR: "1", RECVAE_BACKEND: "cpu", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/**
 * The same as a line for a shell. Paths must not hold spaces.
 *
 * @param args Command line.
 */
export function recvaeCommand(args: readonly string[]): string {
  return [Deno.execPath(), ...commandLine(args)].join(" ");
}

/** Runs `recvae` to its end. */
export async function recvae(...args: string[]): Promise<Finished> {
  return finished(await startRecvae(args).output());
}

/** Runs `recvae` to its end in a folder of the user's. */
export async function recvaeIn(cwd: string, ...args: string[]): Promise<Finished> {
  const command = new Deno.Command(Deno.execPath(), {
    args: commandLine(args),
    cwd,
    env: { NO_COLOR: "1", RECVAE_BACKEND: "cpu" },
    stdin: "null",
  });
  return finished(await command.output());
}

/** Runs `recvae` with these permission flags only. */
export async function recvaeAllowed(
  flags: readonly string[],
  ...args: string[]
): Promise<Finished> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--no-prompt", ...flags, MAIN, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
  });
  return finished(await command.output());
}

function finished({ code, stdout, stderr }: Deno.CommandOutput): Finished {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
