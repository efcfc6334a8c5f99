/** Options that say which scans to use, and the cohort they come to. */
import type { GroupBy } from "../data/bids.ts";
import {
  type Cohort,
  cohortFromFiles,
  type CohortOptions,
  type LabelledFile,
} from "../data/cohort.ts";
import { joinPath, listSubjectFiles } from "../data/listing.ts";
import { SYNTHETIC_OPTIONS, syntheticCohort, type SyntheticOptions } from "../data/synthetic.ts";
import { FormatError } from "../base/errors.ts";
import { spatialShapeOf } from "./model_options.ts";
import { type Option, UsageError, type Values } from "./options.ts";

const GROUP = "Data";

/** Most frames used of a run unless `--tol-time` says otherwise (the original's default). */
const MOST_FRAMES = 120;

/** Where the data that ship with the project lie. */
const SHIPPED_FOLDER = new URL("../../data/haxby2001", import.meta.url);

/** Which scans. */
export const SOURCE_OPTIONS = [
  {
    name: "cn",
    kind: "texts",
    value: "DIR",
    help: "Folder of NIfTI files of the group CN; may be repeated",
    group: GROUP,
  },
  {
    name: "ad",
    kind: "texts",
    value: "DIR",
    help: "Folder of NIfTI files of the group AD; may be repeated",
    group: GROUP,
  },
  {
    name: "group",
    kind: "texts",
    value: "NAME=DIR",
    help: "Folder of any other group; may be repeated",
    group: GROUP,
  },
  {
    name: "data",
    kind: "texts",
    value: "PATH",
    help: "Folder or file without a group; may be repeated",
    group: GROUP,
  },
  {
    name: "skip-prefix",
    kind: "text",
    value: "TEXT",
    help: "Names that begin like this are left out of folders",
    otherwise: "norm_",
    group: GROUP,
  },
  {
    name: "group-by",
    kind: "choice",
    choices: ["subject", "session", "scan"],
    help: "What never straddles a split, read from BIDS names",
    otherwise: "subject",
    group: GROUP,
  },
  { name: "synthetic", kind: "flag", help: "Make a synthetic cohort instead", group: GROUP },
  {
    name: "subjects",
    kind: "integer",
    min: 2,
    range: SYNTHETIC_OPTIONS.fields.nCn.range,
    value: "N",
    help: "Subjects of the synthetic cohort, half of them in each group",
    otherwise: "8",
    group: GROUP,
  },
  {
    name: "spatial",
    kind: "text",
    value: "X,Y,Z",
    help: "Size of the synthetic volumes",
    otherwise: "91,109,91",
    group: GROUP,
  },
] as const satisfies readonly Option[];

/** The scans a run uses, as plain data that goes into its configuration. */
export interface DataPlan {
  /** Runs that ship with the project, the user's files, or synthetic ones. */
  readonly kind: "shipped" | "files" | "synthetic";
  readonly files?: readonly LabelledFile[];
  readonly synthetic?: SyntheticOptions;
  readonly groupBy: GroupBy;
  readonly tolTime?: number;
}

/**
 * What the options ask for; without any, the shipped runs.
 *
 * @param values Parsed options. @param files Positional arguments.
 * @param more `tolTime` and `seed` (of a synthetic cohort), if given.
 * @throws {UsageError} when synthetic and real data are mixed. @throws {FormatError} for a missing folder.
 */
export function planData(
  values: Values<typeof SOURCE_OPTIONS>,
  files: readonly string[],
  more: { readonly tolTime?: number; readonly seed?: number } = {},
): DataPlan {
  const { tolTime, seed } = more;
  const groupBy = values["group-by"] ?? "subject";
  const scans = listScans(values, files);
  if (values.synthetic) {
    if (scans.length > 0) {
      throw new UsageError("--synthetic makes its own data; leave out the files");
    }
    const subjects = values.subjects ?? 8;
    const synthetic = {
      nCn: Math.ceil(subjects / 2),
      nAd: Math.floor(subjects / 2),
      ...(tolTime === undefined ? {} : { frames: tolTime }),
      ...(values.spatial === undefined ? {} : { spatialShape: spatialShapeOf(values.spatial) }),
      ...(seed === undefined ? {} : { seed }),
    };
    return { kind: "synthetic", synthetic, groupBy };
  }
  for (const name of ["subjects", "spatial"] as const) {
    if (values[name] !== undefined) throw new UsageError(`--${name} goes with --synthetic`);
  }
  if (scans.length > 0) return { kind: "files", files: scans, groupBy, tolTime };
  if (namesFolders(values)) {
    throw new FormatError(
      "data",
      "data.empty",
      "Cannot train: the folders given hold no .nii or .nii.gz files; their subfolders are not looked into, " +
        "name the ones that hold scans",
    );
  }
  return { kind: "shipped", groupBy: values["group-by"] ?? "scan", tolTime };
}

function namesFolders(values: Values<typeof SOURCE_OPTIONS>): boolean {
  return [values.cn, values.ad, values.group, values.data].some((list) => list.length > 0);
}

function listScans(
  values: Values<typeof SOURCE_OPTIONS>,
  files: readonly string[],
): LabelledFile[] {
  const skipPrefix = values["skip-prefix"];
  const inFolder = (folder: string, label?: string) =>
    listSubjectFiles(folder, skipPrefix === undefined ? {} : { skipPrefix })
      .map((name) => ({ path: joinPath(folder, name), ...(label === undefined ? {} : { label }) }));
  const labelled = values.group.map((text) => {
    const at = text.indexOf("=");
    if (at < 1 || at === text.length - 1) {
      throw new UsageError(`--group is "${text}", needs NAME=DIR`);
    }
    return { label: text.slice(0, at), folder: text.slice(at + 1) };
  });
  return [
    ...values.cn.flatMap((folder) => inFolder(folder, "CN")),
    ...values.ad.flatMap((folder) => inFolder(folder, "AD")),
    ...labelled.flatMap(({ folder, label }) => inFolder(folder, label)),
    ...[...values.data, ...files].flatMap((path) => isFolder(path) ? inFolder(path) : [{ path }]),
  ];
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new FormatError(
        path,
        "file.open",
        `Cannot read "${path}": there is no such file or folder`,
      );
    }
    throw error;
  }
}

/**
 * Opens the planned scans (headers only).
 *
 * @param plan From {@link planData} or a run's configuration.
 * @throws {FormatError} and {ShapeError} as `cohortFromFiles`.
 */
export async function openPlan(plan: DataPlan): Promise<Cohort> {
  if (plan.kind === "synthetic") return syntheticCohort(plan.synthetic);
  const files = plan.kind === "shipped" ? shippedFiles() : plan.files!;
  const options: CohortOptions = {
    groupBy: plan.groupBy,
    ...(plan.tolTime === undefined ? {} : { tolTime: plan.tolTime }),
  };
  const cohort = await cohortFromFiles(files, options);
  if (plan.tolTime !== undefined || cohort.frames <= MOST_FRAMES) return cohort;
  return { ...cohort, frames: MOST_FRAMES };
}

function shippedFiles(): LabelledFile[] {
  if (SHIPPED_FOLDER.protocol !== "file:") {
    throw new UsageError(
      "The runs that ship with the project can be used from a copy of the repository only; " +
        "name your own scans, or use --synthetic",
    );
  }
  const folder = decodeURIComponent(SHIPPED_FOLDER.pathname);
  return listSubjectFiles(folder).map((name) => ({ path: joinPath(folder, name) }));
}
