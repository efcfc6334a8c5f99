/** Files and folders, for the few places of the library that look at the machine. */
import { existsSync, readdirSync } from "node:fs";

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
