/** A disk that fails at a chosen operation, and counts what it does. */
import { type Disk, SYSTEM_DISK, type WritableFile } from "../../src/files/disk.ts";

/** Operations that can fail. */
export const OPERATIONS = ["folder", "open", "write", "sync", "rename"] as const;

/** One of them. */
export type Operation = typeof OPERATIONS[number];

/** What goes wrong. */
export interface Fault {
  readonly operation: Operation;
  /** Which one of its kind, from 1. */
  readonly at: number;
  /** The system's code. */
  readonly code: string;
  /** Whether all later ones fail as well, as on a disk that stays full. */
  readonly lasting?: boolean;
}

/** The system's texts, as Deno's errors carry them. */
const TEXTS: Readonly<Record<string, string>> = {
  ENOSPC: "No space left on device (os error 28)",
  EROFS: "Read-only file system (os error 30)",
  ENOENT: "No such file or directory (os error 2)",
  EIO: "Input/output error (os error 5)",
};

/** The error that Deno throws for a code. */
export function systemError(code: string): Error {
  const kind = code === "ENOENT" ? Deno.errors.NotFound : Error;
  return Object.assign(new kind(TEXTS[code] ?? code), { code });
}

/** The machine's disk with a fault. It does not wait for the device: nobody pulls the plug in a test. */
export class FaultyDisk implements Disk {
  /** How often each operation was asked for. */
  readonly counts: Record<Operation, number> = { folder: 0, open: 0, write: 0, sync: 0, rename: 0 };
  readonly #fault: Fault | null;

  /** Null: nothing fails, operations are counted. */
  constructor(fault: Fault | null = null) {
    this.#fault = fault;
  }

  open(...args: Parameters<Disk["open"]>): WritableFile {
    this.#count("open");
    return this.#watched(SYSTEM_DISK.open(...args));
  }

  openTemporary(folder?: string) {
    this.#count("open");
    const { path, file } = SYSTEM_DISK.openTemporary(folder);
    const { writeSync } = this.#watched(file);
    file.writeSync = writeSync;
    return { path, file };
  }

  makeFolder(...args: Parameters<Disk["makeFolder"]>): void {
    this.#count("folder");
    SYSTEM_DISK.makeFolder(...args);
  }

  rename(from: string, to: string): void {
    this.#count("rename");
    SYSTEM_DISK.rename(from, to);
  }

  syncFolder(): void {
    this.#count("sync");
  }

  remove(path: string): void {
    SYSTEM_DISK.remove(path);
  }

  mayRename(folder: string): boolean {
    return SYSTEM_DISK.mayRename(folder);
  }

  /** A write that fails leaves half of its bytes behind. */
  #watched(file: WritableFile): WritableFile {
    const writeSync = file.writeSync.bind(file);
    return {
      writeSync: (bytes) => {
        this.#count("write", () => writeSync(bytes.subarray(0, bytes.length >> 1)));
        return writeSync(bytes);
      },
      syncSync: () => this.#count("sync"),
      truncateSync: (size) => file.truncateSync(size),
      close: () => file.close(),
    };
  }

  #count(operation: Operation, before: () => void = () => {}): void {
    const count = ++this.counts[operation];
    if (this.#fault?.operation !== operation) return;
    const { at, lasting, code } = this.#fault;
    if (count !== at && !(lasting && count > at)) return;
    before();
    throw systemError(code);
  }
}
