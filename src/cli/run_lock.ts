/**
 * One program at a time writes a run folder. The operating system holds the lock on a small file in it and gives it back
 * when the process ends, however it ends, so that no lock is ever stale; the file's text names who holds it.
 */
import { CheckpointError } from "../base/errors.ts";
import { say } from "./terminal.ts";
import { RUN_LAYOUT } from "./run_folder_layout.ts";

/** A run folder that is this process's own for as long as the lock is in scope. */
export class RunLock {
  readonly #path: string;
  #file: Deno.FsFile | null;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Takes the lock. Needs write permission for the folder; with read permission too, a refusal names the holder.
   *
   * @param folder Of the run; must exist.
   * @throws {CheckpointError} when another process holds it, or the folder cannot be written to.
   */
  static take(folder: string): RunLock {
    const path = `${folder}/${RUN_LAYOUT.lock}`;
    for (;;) {
      const file = openLock(folder, path);
      if (!tryLock(file, folder)) {
        file.close();
        throw inUse(folder, path);
      }
      if (isStill(file, path)) {
        file.truncateSync();
        file.writeSync(new TextEncoder().encode(describeHolder()));
        return new RunLock(path, file);
      }
      // The holder before removed the file after it was opened here.
      file.close();
    }
  }

  /**
   * Refuses a folder another process is at work in; one that does not exist is nobody's.
   *
   * @throws {CheckpointError} as {@link RunLock.take}.
   */
  static refuseHeld(folder: string): void {
    try {
      Deno.lstatSync(`${folder}/${RUN_LAYOUT.lock}`);
    } catch {
      return;
    }
    RunLock.take(folder)[Symbol.dispose]();
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

function openLock(folder: string, path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true, create: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new CheckpointError(
      folder,
      `Cannot write to the run folder "${folder}" (${
        (error as Error).message
      }); check that it exists and that you may write to it`,
    );
  }
}

function tryLock(file: Deno.FsFile, folder: string): boolean {
  try {
    return file.tryLockSync(true);
  } catch {
    say(
      `Note: the file system of "${folder}" locks no files; see that no other program writes to this folder.`,
    );
    return true;
  }
}

/** Whether an open file is the one its path names; true where nobody can tell. */
function isStill(file: Deno.FsFile, path: string): boolean {
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
  let holder = "";
  try {
    const text = Deno.readTextFileSync(path).trim();
    if (text !== "") holder = ` (${text})`;
  } catch { /* without permission to read, or where a lock keeps readers out, it stays nameless */ }
  return new CheckpointError(
    folder,
    `Cannot train in "${folder}": another program is at work in it${holder}; ` +
      "wait until it ends, stop it, or name another folder",
  );
}
