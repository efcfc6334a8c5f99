/**
 * Permissions as they are, without asking: a library must not make the host prompt its user.
 */

interface Permissions {
  querySync(query: { readonly name: string }): { readonly state: string };
}

/**
 * True when a permission is granted in full; also where the runtime knows no permissions.
 *
 * @param name As in `--allow-<name>`.
 */
export function isGranted(name: "read" | "write" | "env" | "run" | "ffi" | "sys" | "net"): boolean {
  const runtime = (globalThis as { ["Deno"]?: { readonly permissions: Permissions } })["Deno"];
  return runtime === undefined || runtime.permissions.querySync({ name }).state === "granted";
}
