/**
 * Permissions as they are, without asking: a library must not make the host prompt its user.
 */

interface Permissions {
  querySync(query: { readonly name: string; readonly path?: string }): { readonly state: string };
}

/**
 * True when a permission is granted; also where the runtime knows no permissions.
 *
 * @param name As in `--allow-<name>`.
 * @param path File or folder that is to be read or written; without it the permission must be granted in full.
 */
export function isGranted(
  name: "read" | "write" | "env" | "run" | "ffi" | "sys" | "net",
  path?: string,
): boolean {
  const runtime = (globalThis as { ["Deno"]?: { readonly permissions: Permissions } })["Deno"];
  if (runtime === undefined) return true;
  return runtime.permissions.querySync({ name, ...(path ? { path } : {}) }).state === "granted";
}

/**
 * How to start a program with further permissions, for messages: `deno task` cannot be given any.
 *
 * @param flags `"--allow-ffi --allow-read"`.
 * @param instead What helps in `deno task` beside leaving it.
 */
export function howToGrant(flags: string, instead?: string): string {
  return `start the program with "deno run ${flags} …", flags before the file name ` +
    `("deno task" takes no flags: ${instead ? `${instead}, or ` : ""}use deno run)`;
}
