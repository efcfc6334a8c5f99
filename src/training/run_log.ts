/**
 * The run log: one JSON object per line and epoch, synced as it is written, so that the history of a run survives
 * whatever ends it. A line torn by a crash is recognised when the log is read.
 */
import { CheckpointError } from "../base/errors.ts";
import { AppendedFile } from "../files/appended_file.ts";
import { writeWhole } from "../files/whole_file.ts";
import { readIfPresent } from "./checkpoint_files.ts";

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

/** Options of {@link RunLog.open}. */
export interface RunLogOptions {
  /** First epoch (0-based) that is going to be appended; default 0 starts afresh. */
  readonly fromEpoch?: number;
  /** Rows of epochs before that, known from elsewhere: put where the log lacks them. */
  readonly known?: readonly LogRow[];
}

/** A log that is being written. */
export class RunLog {
  readonly #file: AppendedFile;

  private constructor(file: AppendedFile) {
    this.#file = file;
  }

  /**
   * Opens a log for appending. A torn last line, and rows of epochs that will be trained again, are removed first.
   *
   * @param path File; made if need be, its folder must exist.
   * @param options See {@link RunLogOptions}.
   * @throws {CheckpointError} when the file is no log.
   * @throws {WriteError} when it cannot be written.
   */
  static async open(path: string, options: RunLogOptions = {}): Promise<RunLog> {
    const { fromEpoch = 0, known = [] } = options;
    const { rows } = fromEpoch === 0 ? { rows: [] } : await readRunLog(path);
    const byEpoch = new Map([...known, ...rows].map((row) => [row.epoch, row]));
    const kept = [...byEpoch.values()].filter(({ epoch }) => epoch < fromEpoch)
      .sort((a, b) => a.epoch - b.epoch);
    const content = encode(kept);
    const present = fromEpoch === 0 ? null : await readIfPresent(path);
    if (!present || !equal(present, content)) writeWhole(path, content);
    return new RunLog(new AppendedFile(path, content.length));
  }

  /**
   * Appends a row and waits until it is on the disk.
   *
   * @param row Of the next epoch.
   * @throws {WriteError} when the disk refuses; no part of the row is left behind then.
   */
  append(row: LogRow): void {
    this.#file.append(encode([row]));
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function encode(rows: readonly LogRow[]): Uint8Array {
  return new TextEncoder().encode(rows.map((row) => JSON.stringify(row) + "\n").join(""));
}

function parseRow(line: string): LogRow | null {
  try {
    const row = JSON.parse(line);
    return typeof row === "object" && row !== null && Number.isSafeInteger(row.epoch) ? row : null;
  } catch {
    return null;
  }
}
