/** The version of Deno that runs this, and the one that is needed. */

/** The oldest Deno that the tests are run with. */
export const NEEDED_DENO = "2.9.6";

/**
 * Says what is wrong with the version of Deno, or null; also null where another runtime runs this.
 *
 * @param found Default: of the running Deno.
 */
export function denoVersionProblem(found: string | undefined = runningDeno()): string | null {
  if (found === undefined || !isOlder(found, NEEDED_DENO)) return null;
  return `Needs Deno ${NEEDED_DENO} or newer, found ${found}; upgrade with "deno upgrade" or ` +
    `"npm install -g deno@${NEEDED_DENO}", or write "npx --yes deno@${NEEDED_DENO}" for "deno"`;
}

function runningDeno(): string | undefined {
  const runtime = (globalThis as { ["Deno"]?: { readonly version?: { readonly deno: string } } })[
    "Deno"
  ];
  return runtime?.version?.deno;
}

/** Compares major, minor and patch; what follows (`-rc.1`, `+abc`) does not count. */
function isOlder(version: string, other: string): boolean {
  const [a, b] = [version, other].map((text) => text.split(/[.+-]/, 3).map(Number));
  const at = a.findIndex((part, i) => part !== b[i]);
  return at >= 0 && a[at] < b[at];
}
