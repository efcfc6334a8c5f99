/** What was shown in each frame of a run, from the BIDS events beside it. */
import { isFile } from "../files/whats_there.ts";
import { readTextTable } from "./table_file.ts";

/** Seconds by which the blood's answer lags behind. */
const LAG = 5;

/**
 * Labels of frames by `…_events.tsv` (columns onset, duration, trial_type): a frame has a block's label when its middle lies within
 * the block, 5 s later than it was shown.
 *
 * @param path Of the run, `…_bold.nii.gz`.
 * @param options Frames, and seconds between them.
 * @returns A label a frame, `""` between blocks; null without events or without a repetition time.
 * @throws {FormatError} when the table is damaged.
 */
export function blockLabels(
  path: string,
  { frames, repetitionTime }: {
    readonly frames: number;
    readonly repetitionTime: number | null;
  },
): string[] | null {
  const events = path.replace(/_bold\.nii(\.gz)?$/, "_events.tsv");
  if (events === path || repetitionTime === null || !isFile(events)) return null;
  const { columns, rows } = readTextTable(events);
  const [onset, duration, type] = ["onset", "duration", "trial_type"].map((n) =>
    columns.indexOf(n)
  );
  if (onset < 0 || duration < 0 || type < 0) return null;
  return Array.from({ length: frames }, (_, t) => {
    const shown = (t + 0.5) * repetitionTime - LAG;
    const block = rows.find((row) =>
      shown >= Number(row[onset]) && shown < Number(row[onset]) + Number(row[duration])
    );
    return block?.[type] ?? "";
  });
}
