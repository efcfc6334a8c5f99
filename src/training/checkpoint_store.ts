/**
 * Numbered generations of checkpoints in one folder. Each is a folder of files with a manifest of their sizes and
 * SHA-256 sums; a generation that is torn, incomplete or has decayed on the disk is recognised and the
 * next older one is taken.
 */
import { CheckpointError } from "../base/errors.ts";
import { disk } from "../files/disk.ts";
import { joinPath, removeQuietly, TEMPORARY_PREFIX } from "../files/whole_file.ts";
import { makeFolder, writeFolderWhole } from "../files/whole_folder.ts";
import { listFolder, readIfPresent } from "./checkpoint_files.ts";
import { checkOptions, integer, record } from "../base/fields.ts";

const MANIFEST = "manifest.json";
const GENERATION = /^generation-(\d{6,})$/;

/** Files of a generation that passed every check. */
export interface LoadedGeneration {
  /** Its number. */
  readonly generation: number;
  /** Content by file name, without the manifest. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Newer generations that were passed over, newest first. */
  readonly rejected: readonly { readonly path: string; readonly reason: string }[];
}

interface ManifestEntry {
  readonly bytes: number;
  readonly sha256: string;
}

const STORE_OPTIONS = record<{ readonly keep?: number }>({ keep: integer({ least: 1 }) });

/** Checkpoints of one run. */
export class CheckpointStore {
  readonly #folder: string;
  readonly #keep: number;
  /** Saved by this store, newest first: all that is known where the folder may not be read. */
  #saved: number[] = [];

  /**
   * Describes a store; nothing is read or written yet.
   *
   * @param folder Where the generations live; made at the first save.
   * @param options `keep`: how many generations stay, at least 1; default 3.
   * @throws {ConfigError} when keep is out of range.
   */
  constructor(folder: string, options: { readonly keep?: number } = {}) {
    checkOptions(options, STORE_OPTIONS, { doing: "Cannot keep checkpoints" });
    this.#folder = folder;
    this.#keep = options.keep ?? 3;
  }

  /**
   * Writes the next generation, then removes those beyond `keep` and what killed processes left.
   *
   * @param files Content by file name.
   * @returns The number of the generation.
   * @throws {WriteError} when it cannot be written; older generations stay as they are.
   */
  async save(files: ReadonlyMap<string, Uint8Array>): Promise<number> {
    makeFolder(this.#folder);
    const existing = this.#mayRead() ? await this.generations() : this.#saved;
    const generation = (existing[0] ?? 0) + 1;
    const manifest = new TextEncoder().encode(JSON.stringify(await describe(files), null, 2));
    try {
      writeFolderWhole(this.#path(generation), new Map([...files, [MANIFEST, manifest]]));
    } catch (error) {
      const isEmpty = this.#mayRead() && (await listFolder(this.#folder)).length === 0;
      if (isEmpty) removeQuietly(this.#folder);
      throw error;
    }
    this.#saved = [generation, ...existing].slice(0, this.#keep);
    await this.#tidyUp([generation, ...existing]);
    return generation;
  }

  /**
   * Reads the newest generation that is whole.
   *
   * @returns Null when there is no generation at all.
   * @throws {CheckpointError} when there are some but none is whole; the message says what is wrong with each.
   */
  async loadNewest(): Promise<LoadedGeneration | null> {
    const rejected: { path: string; reason: string }[] = [];
    for (const generation of await this.generations()) {
      const result = await this.#read(generation);
      if (typeof result !== "string") return { generation, files: result, rejected };
      rejected.push({ path: this.#path(generation), reason: result });
    }
    if (rejected.length === 0) return null;
    throw new CheckpointError(
      this.#folder,
      `Cannot resume from "${this.#folder}": found ${rejected.length} checkpoints, none of them whole (${
        rejected.map(({ path, reason }) => `${path}: ${reason}`).join("; ")
      }); start the run again`,
    );
  }

  /** Numbers of the generations present, newest first, unchecked. */
  async generations(): Promise<number[]> {
    const numbers = (await listFolder(this.#folder)).map((name) =>
      Number(GENERATION.exec(name)?.[1])
    );
    return numbers.filter((number) => number > 0).sort((a, b) => b - a);
  }

  #mayRead(): boolean {
    return disk().mayRename(this.#folder);
  }

  #path(generation: number): string {
    return joinPath(this.#folder, `generation-${String(generation).padStart(6, "0")}`);
  }

  /** The files of a generation, or what is wrong with it. */
  async #read(generation: number): Promise<ReadonlyMap<string, Uint8Array> | string> {
    const folder = this.#path(generation);
    const manifest = parseManifest(await readIfPresent(joinPath(folder, MANIFEST)));
    if (typeof manifest === "string") return manifest;
    const files = new Map<string, Uint8Array>();
    for (const [name, { bytes, sha256 }] of Object.entries(manifest)) {
      const content = await readIfPresent(joinPath(folder, name));
      if (content === null) return `${name} is missing`;
      if (content.length !== bytes) return `${name} has ${content.length} bytes, needs ${bytes}`;
      if (await sha256Of(content) !== sha256) return `${name} does not have the recorded SHA-256`;
      files.set(name, content);
    }
    return files;
  }

  async #tidyUp(generations: readonly number[]): Promise<void> {
    for (const generation of generations.slice(this.#keep)) {
      removeQuietly(this.#path(generation));
    }
    for (const name of this.#mayRead() ? await listFolder(this.#folder) : []) {
      if (name.startsWith(TEMPORARY_PREFIX)) removeQuietly(joinPath(this.#folder, name));
    }
  }
}

async function describe(files: ReadonlyMap<string, Uint8Array>) {
  const manifest: Record<string, ManifestEntry> = {};
  for (const [name, content] of files) {
    manifest[name] = { bytes: content.length, sha256: await sha256Of(content) };
  }
  return manifest;
}

/** The manifest's entries, or what is wrong with it. */
function parseManifest(bytes: Uint8Array | null): Record<string, ManifestEntry> | string {
  if (bytes === null) return `${MANIFEST} is missing`;
  let entries: unknown;
  try {
    entries = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return `${MANIFEST} is not JSON`;
  }
  if (typeof entries !== "object" || entries === null || Array.isArray(entries)) {
    return `${MANIFEST} is not a table of files`;
  }
  for (const [name, entry] of Object.entries(entries as Record<string, Partial<ManifestEntry>>)) {
    const sound = Number.isSafeInteger(entry?.bytes) && typeof entry?.sha256 === "string";
    if (!sound || name.includes("/") || name.includes("\\")) {
      return `${MANIFEST} has a bad entry "${name}"`;
    }
  }
  return entries as Record<string, ManifestEntry>;
}

async function sha256Of(content: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", content as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
