/** Which two files make up a NIfTI pair: `x.hdr` and `x.img`, each with or without `.gz`. */
import { fileExists } from "./openers/directory.ts";
import { type Location, pathOf } from "./openers/open_bytes.ts";

/**
 * The halves of the pair a path belongs to.
 *
 * @param location Path or `file:` URL of either half.
 * @returns Both paths, or undefined when the path is not of a pair or its other half does not exist.
 */
export function pairOf(
  location: Location,
): { readonly header: string; readonly image: string } | undefined {
  if (location instanceof Uint8Array) return undefined;
  const path = pathOf(location);
  const match = /^(.*)\.(hdr|img)(\.gz)?$/i.exec(path);
  if (!match) return undefined;
  const other = match[2].toLowerCase() === "hdr" ? "img" : "hdr";
  const partner = [`${match[1]}.${other}${match[3] ?? ""}`, `${match[1]}.${other}`]
    .concat(`${match[1]}.${other}.gz`)
    .find(fileExists);
  if (!partner) return undefined;
  return other === "img" ? { header: path, image: partner } : { header: partner, image: path };
}
