/**
 * One program at a time writes a folder. The operating system holds the lock on a small file in it and gives it back
 * when the process ends, however it ends, so that no lock is ever stale; the file's text names who holds it.
 */
import { CheckpointError } from "../base/errors.ts";
import { isGranted } from "../deps/permissions.ts";
import { joinPath } from "./whole_file.ts";
import { writeFailure } from "./write_failure.ts";

/** Name of the lock in a folder. */
export const LOCK_FILE = "run.lock";

/** A folder that is this process's own for as long as the lock is in scope. */
export class FolderLock {
  readonly #path: string;
  #file: Deno.FsFile | null;
  /** False where the file system locks no files: nothing keeps another program out. */
  readonly keepsOthersOut: boolean;

  private constructor(path: string, file: Deno.FsFile, keepsOthersOut: boolean) {
    this.#path = path;
    this.#file = file;
    this.keepsOthersOut = keepsOthersOut;
  }

  /**
   * Takes the lock. Needs write permission for the folder; with read permission too, a refusal names the holder.
   *
   * @param folder Must exist.
   * @throws {CheckpointError} when another process holds it.
   * @throws {WriteError} when the folder cannot be written to.
   */
  static take(folder: string): FolderLock {
    const path = joinPath(folder, LOCK_FILE);
    for (;;) {
      const file = openLock(path);
      const locked = tryLock(file);
      if (locked === false) {
        file.close();
        throw inUse(folder, path);
      }
      if (isStill(file, path)) {
        file.truncateSync();
        file.writeSync(new TextEncoder().encode(describeHolder()));
        return new FolderLock(path, file, locked === true);
      }
      // The holder before removed the file after it was opened here.
      file.close();
    }
  }

  /**
   * Refuses a folder another process is at work in; one that does not exist is nobody's.
   *
   * @param folder May not exist.
   * @throws {CheckpointError} as {@link FolderLock.take}.
   */
  static refuseHeld(folder: string): void {
    const path = joinPath(folder, LOCK_FILE);
    if (!isGranted("read", path)) return;
    try {
      Deno.lstatSync(path);
    } catch {
      return;
    }
    FolderLock.take(folder)[Symbol.dispose]();
  }

  /**
   * Who is at work in a folder, without disturbing them.
   *
   * @param folder May not exist.
   * @returns Null when nobody is, or it cannot be told; `""` for somebody unknown.
   */
  static holderOf(folder: string): string | null {
    const path = joinPath(folder, LOCK_FILE);
    try {
      using file = Deno.openSync(path);
      return file.tryLockSync(false) ? null : holderOf(path);
    } catch {
      return null;
    }
  }

  /** Gives the folder back; a second time does nothing. */
  [Symbol.dispose](): void {
    if (!this.#file) return;
    try {
      Deno.removeSync(this.#path);
    } catch { /* whoever removed the folder removed the lock */ }
    this.#file.close();
    this.#file = null;
  }
}

function openLock(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true, create: true });
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** Whether the lock is had; undefined where the file system locks no files. */
function tryLock(file: Deno.FsFile): boolean | undefined {
  try {
    return file.tryLockSync(true);
  } catch {
    return undefined;
  }
}

/** Whether an open file is the one its path names; true where nobody can tell. */
function isStill(file: Deno.FsFile, path: string): boolean {
  if (!isGranted("read", path)) return true;
  try {
    const [opened, named] = [file.statSync().ino, Deno.statSync(path).ino];
    return opened === null || named === null || opened === named;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

function describeHolder(): string {
  const since = new Date().toISOString().slice(0, 19).replace("T", " ");
  return `process ${Deno.pid} since ${since} UTC: recvae ${Deno.args.join(" ")}\n`;
}

function inUse(folder: string, path: string): CheckpointError {
  const holder = holderOf(path);
  return new CheckpointError(
    folder,
    `Cannot train in "${folder}": another program is at work in it${
      holder === "" ? "" : ` (${holder})`
    }; wait until it ends, stop it, or name another folder`,
  );
}

/** Empty without permission to read, or where a lock keeps readers out. */
function holderOf(path: string): string {
  try {
    return isGranted("read", path) ? Deno.readTextFileSync(path).trim() : "";
  } catch {
    return "";
  }
}
