/**
 * The operations of the file system that writing consists of, behind one seam: tests put a disk there that is full, read-only
 * or gone at any moment. Errors are the system's own; whoever writes says what they mean (write_failure.ts).
 */

import { readEnvironment } from "../deps/environment.ts";
import { isGranted } from "../deps/permissions.ts";

/** A file open for writing. */
export type WritableFile = Pick<Deno.FsFile, "writeSync" | "syncSync" | "truncateSync" | "close">;

/** How a file is opened: it must not exist, its content is dropped if it does, or it must exist and is added to. */
export type OpenMode = "new" | "replace" | "append";

/** What a disk does. */
export interface Disk {
  /** Opens a file for writing. */
  open(path: string, mode: OpenMode): WritableFile;
  /**
   * Makes a file with a name of its own, readable as well. `folder`: default the system's for temporary files.
   * Nobody is asked for a permission.
   */
  openTemporary(folder?: string): { readonly path: string; readonly file: Deno.FsFile };
  /** Makes a folder; with `parents` also those above it, and one that is there already is fine. */
  makeFolder(path: string, options: { readonly parents: boolean }): void;
  /** Gives a file or folder another name; a file of that name is replaced. */
  rename(from: string, to: string): void;
  /** Makes new names in a folder durable, where the system can. */
  syncFolder(path: string): void;
  /** Removes a file, or a folder with its content. */
  remove(path: string): void;
  /** Whether Deno lets names in a folder be changed: that takes permission to read and write all of it. Nobody is asked. */
  mayRename(folder: string): boolean;
}

const OPEN_OPTIONS: Record<OpenMode, Deno.OpenOptions> = {
  new: { write: true, createNew: true },
  replace: { write: true, create: true, truncate: true },
  append: { append: true },
};

/** The disk of the machine. */
export const SYSTEM_DISK: Disk = {
  open: (path, mode) => Deno.openSync(path, OPEN_OPTIONS[mode]),
  openTemporary(dir) {
    const place = dir ?? readEnvironment("TMPDIR") ?? "/tmp";
    for (const access of ["read", "write"] as const) {
      if (isGranted(access, place)) continue;
      throw new Deno.errors.NotCapable(`Requires ${access} access to "${place}",`);
    }
    const path = Deno.makeTempFileSync({ dir, prefix: "recvae_", suffix: ".nii" });
    try {
      return { path, file: Deno.openSync(path, { read: true, write: true }) };
    } catch (error) {
      Deno.removeSync(path);
      throw error;
    }
  },
  makeFolder: (path, { parents }) => Deno.mkdirSync(path, { recursive: parents }),
  rename: (from, to) => Deno.renameSync(from, to),
  syncFolder(path) {
    using folder = openFolder(path);
    folder?.syncSync();
  },
  remove: (path) => Deno.removeSync(path, { recursive: true }),
  mayRename: (folder) => isGranted("read", folder) && isGranted("write", folder),
};

/** Null where folders cannot be opened: on Windows, without permission, or where the owner forbids it. */
function openFolder(path: string): Deno.FsFile | null {
  if (Deno.build.os === "windows" || !SYSTEM_DISK.mayRename(path)) return null;
  try {
    return Deno.openSync(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

let current = SYSTEM_DISK;

/** The disk in use. */
export function disk(): Disk {
  return current;
}

/**
 * Puts another disk in place of the machine's, for tests.
 *
 * @param replacement Usually the {@link SYSTEM_DISK} with an operation that fails.
 * @returns Puts the former disk back when it is disposed of.
 */
export function useDisk(replacement: Disk): Disposable {
  const former = current;
  current = replacement;
  return { [Symbol.dispose]: () => void (current = former) };
}
