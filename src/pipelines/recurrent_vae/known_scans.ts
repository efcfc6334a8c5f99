/** Which scans a run has seen: told by their content, whatever they are called and wherever they lie. */
import type { Cohort, CohortSubject } from "../../data/cohort.ts";
import { findFiles, recordFile } from "../../data/file_record.ts";
import { resolve } from "../../deps/node_path.ts";
import { syntheticCohort, type SyntheticOptions } from "../../data/synthetic.ts";
import { locatedScans, recordedGroup } from "./data_options.ts";
import { divide } from "./prepared_data.ts";
import type { RunConfig } from "./run_config.ts";

/** A scan that is scored, and what the run knows of it. */
export interface KnownScan {
  /** Its path or name. */
  readonly file: string;
  /** `unknown`: neither found in the run's data nor ruled out, since the run does not say what those held. */
  readonly seen: "trained on" | "held out" | "new" | "unknown";
  /** Where the run saw it, if that is another path. */
  readonly as?: string;
}

/**
 * Recognises scans that a run was trained on or held out.
 *
 * @param config Of the run.
 * @param cohort The scans.
 * @param synthetic Whether they are synthetic, with the seed of the run.
 * @throws {FormatError} when a file cannot be read.
 */
export async function recogniseScans(
  config: RunConfig,
  cohort: Cohort,
  synthetic: boolean,
): Promise<KnownScan[]> {
  const { own, complete } = await ownScans(config);
  const known: KnownScan[] = [];
  for (const [row, { id: file, label }] of cohort.subjects.entries()) {
    const content = synthetic
      ? syntheticContent(config.model, cohort, { row, label })
      : (await recordFile(file)).fingerprint;
    const match = own.get(content);
    const seen = match?.seen ?? (complete ? "new" : "unknown");
    const elsewhere = match && resolve(match.path) !== resolve(file);
    known.push({ file, seen, ...(elsewhere ? { as: match.path } : {}) });
  }
  return known;
}

/** The run's own scans by content; not complete when some of them cannot be told by it. */
async function ownScans({ data, model }: RunConfig) {
  const own = new Map<string, { readonly seen: KnownScan["seen"]; readonly path: string }>();
  const { subjects, contents } = data.kind === "synthetic"
    ? syntheticScans(data.synthetic ?? {})
    : await recordedScans(data);
  const { split } = divide(subjects, data, model.seed);
  // A scan that is on both sides was trained on.
  for (const [rows, seen] of [[split.test, "held out"], [split.train, "trained on"]] as const) {
    for (const row of rows) {
      const content = contents[row];
      if (content !== undefined) own.set(content, { seen, path: subjects[row].id });
    }
  }
  return { own, complete: !contents.includes(undefined) };
}

type Scans = {
  readonly subjects: readonly Pick<CohortSubject, "id" | "label" | "group">[];
  readonly contents: readonly (string | undefined)[];
};

async function recordedScans(data: RunConfig["data"]): Promise<Scans> {
  const scans = locatedScans(data);
  const contents: (string | undefined)[] = [];
  for (const scan of scans) {
    // Runs of version 0.1.0 do not say; what lies there now is the best guess.
    const content = scan.fingerprint ?? (await findFiles([scan]))[0]?.record.fingerprint;
    contents.push(content);
  }
  const subjects = scans.map((scan) => ({
    id: scan.path,
    label: scan.label ?? "",
    group: recordedGroup(scan, data),
  }));
  return { subjects, contents };
}

function syntheticScans(options: SyntheticOptions): Scans {
  const cohort = syntheticCohort(options);
  const { subjects } = cohort;
  const contents = subjects.map(({ label }, row) =>
    syntheticContent(options, cohort, { row, label })
  );
  return { subjects, contents };
}

/** Everything that a synthetic scan is computed from. */
function syntheticContent(
  { seed = 0 }: SyntheticOptions,
  { spatialShape, frames }: Cohort,
  scan: { readonly row: number; readonly label: string },
): string {
  return JSON.stringify([seed, spatialShape, frames, scan.row, scan.label]);
}

/**
 * What the scores of scans are worth, a line a scan; one line when all are new.
 *
 * @param known From {@link recogniseScans}.
 */
export function knownScanLines(known: readonly KnownScan[]): string[] {
  const count = (seen: KnownScan["seen"]) => known.filter((scan) => scan.seen === seen).length;
  if (count("new") === known.length) return ["None of these scans was used in training."];
  const trained = count("trained on");
  const warning = trained === 0 ? [] : [
    `TRAINED ON: ${trained} of these ${known.length} scans. Scores of such scans say nothing about new data.`,
  ];
  const unknown = count("unknown") === 0 ? [] : [
    "unknown: the run does not say what its scans held, and they are not where they were.",
  ];
  const lines = known.map(({ file, seen, as }) =>
    `  ${seen.padEnd(10)}  ${file}${as === undefined ? "" : ` (as ${as})`}`
  );
  return [...warning, ...unknown, ...lines];
}
