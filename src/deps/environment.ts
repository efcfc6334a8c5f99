/**
 * Environment variables, read only where that needs no question to the user: a library must not make the
 * host prompt for a permission.
 */

interface DenoEnvironment {
  readonly permissions: {
    querySync(query: { name: "env"; variable: string }): { readonly state: string };
  };
  readonly env: { get(name: string): string | undefined };
}

/** The value of a variable; undefined when it is not set or may not be read without asking. */
export function readEnvironment(name: string): string | undefined {
  const deno = (globalThis as { ["Deno"]?: DenoEnvironment })["Deno"];
  if (deno === undefined) return undefined;
  const { state } = deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? deno.env.get(name) : undefined;
}
