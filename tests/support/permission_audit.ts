/** What a program asks Deno for: every access to something that needs a permission, granted or not. */
import { inFolder } from "./folders.ts";
import { type FinishedProgram, runDeno } from "./run_deno.ts";

/** One access, e.g. `{ permission: "env", value: null }` for reading all variables. */
export interface PermissionRequest {
  readonly permission: string;
  readonly value: string | null;
}

/**
 * Runs `deno run` as {@link runDeno} does and lists every access that it made. The audit log is Deno's own
 * (`DENO_AUDIT_PERMISSIONS`); asking what is granted (`Deno.permissions.query`) is no access.
 *
 * @param args What follows `deno run`.
 * @param cwd Working folder.
 */
export async function auditDeno(
  args: readonly string[],
  cwd: string | URL,
): Promise<FinishedProgram & { readonly requests: readonly PermissionRequest[] }> {
  let result: Awaited<ReturnType<typeof auditDeno>> | undefined;
  await inFolder(async (folder) => {
    const log = `${folder}/audit.jsonl`;
    const finished = await runDeno(args, cwd, { DENO_AUDIT_PERMISSIONS: log });
    const lines = (await Deno.readTextFile(log)).trim().split("\n").filter((line) => line !== "");
    const requests = lines.map((line) => {
      const { permission, value } = JSON.parse(line);
      return { permission, value };
    });
    result = { ...finished, requests };
  });
  return result!;
}
