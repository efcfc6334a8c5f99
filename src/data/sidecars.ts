/**
 * What JSON files say about scans: the one beside a scan and, as BIDS has it, those of the folders above, up to the root
 * of the dataset, which hold for every scan that has all their entities. The nearer file wins. Source: BIDS 1.9,
 * "The Inheritance Principle".
 */
import { isRecord } from "../base/fields.ts";
import { namesIn } from "../deps/node_fs.ts";
import { basename, dirname, join, resolve } from "../deps/node_path.ts";
import { isGranted } from "../deps/permissions.ts";
import { entityPairs, parseBidsName } from "./bids.ts";
import { readTextIfThere } from "./openers/directory.ts";

/** Folders above a scan that are looked into at most: run, session, subject, root, and some to spare. */
const MOST_LEVELS = 6;

/** Metadata of scans; folders and files are read once for all scans. */
export class Sidecars {
  readonly #names = new Map<string, readonly string[]>();
  readonly #contents = new Map<string, Readonly<Record<string, unknown>>>();

  /**
   * A field of a scan's metadata.
   *
   * @param path Path of the scan.
   * @param field `RepetitionTime`, say.
   * @returns The value and the file it is from; undefined when nobody says.
   */
  field(
    path: string,
    field: string,
  ): { readonly value: unknown; readonly from: string } | undefined {
    for (const from of this.#applicable(path)) {
      const content = this.#content(from);
      if (Object.hasOwn(content, field)) return { value: content[field], from };
    }
    return undefined;
  }

  /** The JSON files that hold for a scan, the nearest first. */
  #applicable(path: string): string[] {
    const name = basename(path);
    const own = name.replace(/\.(nii|hdr|img)(\.gz)?$/i, ".json");
    if (own === name) return [];
    const { suffix } = parseBidsName(name);
    const entities = new Map(entityPairs(name));
    const holds = (candidate: string) =>
      candidate === own ||
      (candidate.endsWith(`${suffix}.json`) && parseBidsName(candidate).suffix === suffix &&
        entityPairs(candidate).every(([key, value]) => entities.get(key) === value));
    return foldersAbove(path).flatMap((folder, level) =>
      this.#namesIn(folder).filter((candidate) =>
        level > 0 ? candidate !== own && holds(candidate) : holds(candidate)
      )
        .sort((a, b) =>
          b === own ? 1 : a === own ? -1 : entityPairs(b).length - entityPairs(a).length
        )
        .map((candidate) => join(folder, candidate))
    );
  }

  #namesIn(folder: string): readonly string[] {
    const known = this.#names.get(folder);
    if (known) return known;
    const names = isGranted("read", folder)
      ? namesIn(folder).filter((name) => name.endsWith(".json") && !name.startsWith("."))
      : [];
    this.#names.set(folder, names);
    return names;
  }

  #content(path: string): Readonly<Record<string, unknown>> {
    const known = this.#contents.get(path);
    if (known) return known;
    const content = parsed(readTextIfThere(path));
    this.#contents.set(path, content);
    return content;
  }
}

/** The folder of a scan and those above it that belong to the same dataset. */
function foldersAbove(path: string): string[] {
  const folders = [dirname(resolve(path))];
  const own = folders[0];
  for (let level = 1; level < MOST_LEVELS; level++) {
    const below = basename(folders.at(-1)!);
    if (below === "" || isRoot(folders.at(-1)!)) break;
    folders.push(dirname(folders.at(-1)!));
  }
  const root = folders.findIndex(isRoot);
  if (root >= 0) return folders.slice(0, root + 1);
  // Without the file that marks a root, the folder above the subject's is one.
  const subject = folders.findLastIndex((folder) => /^sub-/.test(basename(folder)));
  return subject < 0 ? [own] : folders.slice(0, subject + 2);
}

function isRoot(folder: string): boolean {
  return readTextIfThere(join(folder, "dataset_description.json")) !== undefined;
}

function parsed(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined) return {};
  try {
    const content: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    return isRecord(content) ? content : {};
  } catch {
    return {};
  }
}
