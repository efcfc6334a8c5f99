/** What the operating system's errors mean, in words: its own texts ("os error 20") never stand alone. */

/** Words for the codes of faults that people meet; each completes "Cannot read X: …". */
const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "the system does not allow it; check the permissions of the file and of its folder",
  EPERM: "the system does not allow it; check the permissions of the file and of its folder",
  EEXIST: "there is something of that name already",
  ENOTDIR: "it or a part of its path is a file, where a folder is needed",
  EISDIR: "it is a folder, where a file is needed",
  ENOTEMPTY: "the folder is not empty",
  ELOOP: "its symbolic links lead round in a circle",
  ENAMETOOLONG: "the name is longer than the system allows",
  EMFILE: "the program has as many files open as the system lets it; raise the limit (ulimit -n)",
  ENFILE: "the whole system has as many files open as it can",
  ENOSPC: "the disk is full; free some space or choose another disk",
  EDQUOT: "your share of the disk is used up; free some space or choose another disk",
  EFBIG: "the file would be larger than the system or the disk allows",
  EROFS: "the disk can only be read; choose another place",
  EIO: "the disk or its connection fails",
  ESTALE: "the network disk has lost the file; check the connection",
  ENODEV: "the device is not there",
  ENXIO: "the device is not there",
  EBUSY: "another program is using it",
  EPIPE: "the program that was to take the output has ended",
  ENOMEM: "the system has no memory left",
  EINVAL: "the system does not accept that name",
  EXDEV: "it lies on another disk",
};

/**
 * The words for a fault of the operating system.
 *
 * @param fault Anything that was thrown.
 * @returns Words that complete "Cannot read X: …", or undefined when the fault is none of these.
 */
export function systemFaultWords(fault: unknown): string | undefined {
  const code = fault instanceof Error && "code" in fault ? fault.code : undefined;
  return typeof code === "string" && Object.hasOwn(WORDS, code) ? WORDS[code] : undefined;
}

/**
 * Why something failed, for the end of a sentence: words for a fault of the system, else the fault's own text.
 *
 * @param fault Anything that was thrown.
 */
export function reasonOf(fault: unknown): string {
  return systemFaultWords(fault) ?? (fault instanceof Error ? fault.message : String(fault));
}

/**
 * The path a fault of the operating system is about.
 *
 * @param fault Anything that was thrown; Deno's texts end in `: operation 'path'`.
 */
export function systemFaultPath(fault: unknown): string | undefined {
  const text = fault instanceof Error ? fault.message : "";
  return /: \w+ '([^']+)'(?: -> '[^']+')?$/.exec(text)?.[1];
}
