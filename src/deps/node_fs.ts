/** Files and folders, for the few places of the library that look at the machine. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";

/** True when something has this name. */
export function fileExists(path: string): boolean {
  return existsSync(path);
}

/** Names in a folder; none when it is missing or is no folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Makes a folder and those above it. */
export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true });
}

/** Writes a small text file. */
export function writeText(path: string, text: string): void {
  writeFileSync(path, text);
}

/** Gives a file its final name, replacing what had it. */
export function renameFile(from: string, to: string): void {
  renameSync(from, to);
}

/** Removes a file if it is there. */
export function removeFile(path: string): void {
  rmSync(path, { force: true });
}
