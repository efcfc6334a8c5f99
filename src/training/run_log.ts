/**
 * The run log: one JSON object per line and epoch, synced as it is written, so that the history of a run survives
 * whatever ends it. A line torn by a crash is recognised when the log is read.
 */
import { CheckpointError } from "../base/errors.ts";
import { readIfPresent, writeFileAtomically } from "./checkpoint_files.ts";

/** One row: numbers and texts of one epoch. */
export type LogRow = Readonly<Record<string, unknown>> & { readonly epoch: number };

/** What {@link readRunLog} found. */
export interface RunLogContent {
  /** In the order of the file. */
  readonly rows: readonly LogRow[];
  /** Whether the last line lacks its end; it is left out unless it is whole but for the line break. */
  readonly torn: boolean;
}

/**
 * Reads a run log.
 *
 * @param path File of JSON lines; a missing one has no rows.
 * @throws {CheckpointError} when a line before the last is not a row.
 */
export async function readRunLog(path: string): Promise<RunLogContent> {
  const bytes = await readIfPresent(path);
  const lines = new TextDecoder().decode(bytes ?? new Uint8Array()).split("\n");
  const last = lines.pop()!;
  const rows = lines.map((line, i) => {
    const row = parseRow(line);
    if (row) return row;
    throw new CheckpointError(
      path,
      `Cannot read the run log "${path}": line ${
        i + 1
      } is not a row of an epoch, needs a JSON object with ` +
        "an epoch; remove the line",
    );
  });
  const whole = last === "" ? null : parseRow(last);
  return { rows: whole ? [...rows, whole] : rows, torn: last !== "" };
}

/** A log that is being written. */
export class RunLog {
  readonly #file: Deno.FsFile;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /**
   * Opens a log for appending. A torn last line, and rows of epochs that will be trained again, are removed first.
   *
   * @param path File; made if need be, its folder must exist.
   * @param options `fromEpoch`: first epoch (0-based) that is going to be appended; default 0 starts afresh.
   * @throws {CheckpointError} when the file is no log or cannot be written.
   */
  static async open(
    path: string,
    { fromEpoch = 0 }: { readonly fromEpoch?: number } = {},
  ): Promise<RunLog> {
    const { rows, torn } = fromEpoch === 0 ? { rows: [], torn: true } : await readRunLog(path);
    const kept = rows.filter((row) => row.epoch < fromEpoch);
    if (torn || kept.length < rows.length) {
      await writeFileAtomically(path, kept.map((row) => JSON.stringify(row) + "\n").join(""));
    }
    return new RunLog(await Deno.open(path, { append: true, create: true }));
  }

  /** Appends a row and waits until it is on the disk. */
  async append(row: LogRow): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(row) + "\n");
    for (let done = 0; done < bytes.length;) done += await this.#file.write(bytes.subarray(done));
    await this.#file.syncData();
  }

  /** Closes the file; appending is over. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function parseRow(line: string): LogRow | null {
  try {
    const row = JSON.parse(line);
    return typeof row === "object" && row !== null && Number.isSafeInteger(row.epoch) ? row : null;
  } catch {
    return null;
  }
}
