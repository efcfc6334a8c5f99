/**
 * What to do about a permission that is missing: the flag that gives it, for a folder that stays the same from run to
 * run.
 */
import { howToGrant } from "../deps/permissions.ts";
import { folderOf } from "../files/whole_file.ts";

/** Ends of names that are files: their folder is advised, where the next file will lie as well. */
const FILE = /\.(nii|gz|img|hdr|jsonl?|[ct]sv|pth?|safetensors|svg|html|txt)$/i;

/**
 * Turns Deno's text about a missing permission into ours.
 *
 * @param message `Requires read access to "scans/a.nii", …`; any other text is given back.
 * @returns A sentence without a full stop: what could not be done, and what to do.
 */
export function permissionAdvice(message: string): string {
  const access = /^Requires (\w+) access(?: to (?:"([^"]+)"|([^,]+)))?,/.exec(message);
  if (!access) return message;
  const [, kind, path, other] = access;
  const target = (path ?? other)?.replace(/^\.\//, "");
  if (kind === "all" && target !== undefined) {
    return `Cannot use "${target}": it is a place of the system, which Deno opens to no program with single permissions; ` +
      "name another file or folder";
  }
  const isPath = (kind === "read" || kind === "write") && target !== undefined;
  const flag = `--allow-${kind}${
    target === undefined ? "" : `=${quoted(isPath ? stableFolder(target) : target)}`
  }`;
  const what = isPath
    ? `Cannot ${kind} "${target}": Deno was given no permission for it`
    : `Deno was given no permission for ${kind} access${target ? ` to "${target}"` : ""}`;
  const instead = kind === "write" ? "name a folder below runs there" : undefined;
  return `${what}; ${howToGrant(flag, instead)}`;
}

/**
 * The folder to allow for a file or folder that a command uses: of a path inside the current folder the first part,
 * since what is below it may have the time of day in its name.
 */
function stableFolder(path: string): string {
  const folder = FILE.test(path) ? folderOf(path) : path;
  const [first] = folder.split(/[/\\]/);
  return first === "" || first === ".." || /^[A-Za-z]:$/.test(first) ? folder : first;
}

/** As a shell and Deno's lists of paths take it. */
function quoted(path: string): string {
  const listed = path.replaceAll(",", ",,");
  return /^[\w./:,+@%-]+$/.test(listed) ? listed : `'${listed.replaceAll("'", `'\\''`)}'`;
}
