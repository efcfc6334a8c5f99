/**
 * BIDS names: `sub-01_ses-2_task-rest_run-1_space-MNI_desc-preproc_bold.nii.gz` says which subject a scan is of, which
 * task and run it shows, and what was made of it. Source: BIDS 1.9.
 */
/** What a BIDS file name says; entities that are not there are absent. */
export interface BidsName {
  /** Person: `sub-…`. */
  readonly subject?: string;
  /** Visit: `ses-…`. */
  readonly session?: string;
  /** `task-…`. */
  readonly task?: string;
  /** Repetition: `run-…`. */
  readonly run?: string;
  /** Template or grid: `space-…`. */
  readonly space?: string;
  /** Processing: `desc-…`. */
  readonly desc?: string;
  /** Last part before the extension: `bold`, `mask`, … */
  readonly suffix?: string;
  /** From the first point on: `.nii.gz`. */
  readonly extension: string;
}

const ENTITIES: Readonly<Record<string, keyof BidsName>> = {
  sub: "subject",
  ses: "session",
  task: "task",
  run: "run",
  space: "space",
  desc: "desc",
};

/**
 * The entities of a file name, as they stand there.
 *
 * @param path File name or path; only the last part counts.
 * @returns `[["sub", "01"], ["task", "rest"]]`.
 */
export function entityPairs(path: string): (readonly [string, string])[] {
  const name = path.split(/[\\/]/).at(-1)!;
  return name.slice(0, name.indexOf(".") < 0 ? undefined : name.indexOf(".")).split("_")
    .flatMap((part) => {
      const match = /^([a-z]+)-([^-]+)$/i.exec(part);
      return match ? [[match[1], match[2]] as const] : [];
    });
}

/**
 * Takes a file name apart. Names that follow no convention give an object with little in it.
 *
 * @param path File name or path; only the last part counts.
 */
export function parseBidsName(path: string): BidsName {
  const name = path.split(/[\\/]/).at(-1)!;
  const point = name.indexOf(".");
  const stem = point < 0 ? name : name.slice(0, point);
  const found: Record<string, string> = { extension: point < 0 ? "" : name.slice(point) };
  for (const part of stem.split("_")) {
    const match = /^([a-z]+)-([^-]+)$/i.exec(part);
    if (match && Object.hasOwn(ENTITIES, match[1])) found[ENTITIES[match[1]]] = match[2];
    else if (!match) found.suffix = part;
  }
  return found as unknown as BidsName;
}

/** What scans are kept together in splits. */
export type GroupBy = "subject" | "session" | "scan";

/**
 * The group a scan belongs to.
 *
 * @param path File name or path.
 * @param by `subject`: all scans of a person; `session`: of a person on one day; `scan`: each alone.
 * @returns A name, equal for scans of one group; names without `sub-` are groups of their own.
 */
export function groupName(path: string, by: GroupBy): string {
  const { subject, session, extension } = parseBidsName(path);
  const stem = path.split(/[\\/]/).at(-1)!.slice(0, extension ? -extension.length : undefined);
  if (by === "scan" || subject === undefined) return stem;
  return by === "session" && session !== undefined
    ? `sub-${subject}_ses-${session}`
    : `sub-${subject}`;
}
