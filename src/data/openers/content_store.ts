/**
 * Where unpacked content goes while it arrives: first its head, then, once the format has judged that, into
 * memory if it fits the budget, else into a temporary file. Nothing beyond what is needed is kept.
 */
import { concatBytes } from "../../base/bytes.ts";
import { number, record, text } from "../../base/fields.ts";
import { GZIP_RULES } from "../../formats/gzip.ts";
import { refusals } from "../../formats/rejection.ts";
import { type ByteSource, memorySource, readHead } from "./byte_source.ts";
import { type TemporaryRoom, temporaryRoom } from "./temporary_file.ts";

/** Options of {@link openBytes}. */
export interface OpenOptions {
  /** Label for messages; default the path or URL, "bytes in memory" for bytes. */
  readonly label?: string;
  /** Bytes of unpacked content to keep in memory; more goes to a temporary file. Default 512 MiB. */
  readonly memoryBudget?: number;
  /** Folder of temporary files; default the system's. */
  readonly cacheDirectory?: string;
}

/** Options there are. */
export const OPEN_OPTIONS = record<OpenOptions>({
  label: text(),
  memoryBudget: number({ least: 0, most: Infinity }),
  cacheDirectory: text(),
});

/** What a format decides from the first bytes. */
export interface ReadPlan {
  /** How many first bytes `neededBytes` wants to see. */
  readonly headBytes: number;
  /**
   * How many bytes of content the file has to have. `limit` is the most it can have, as far as known.
   *
   * @throws {FormatError} when the head shows that the file cannot be read.
   */
  neededBytes(head: Uint8Array, limit: number): number;
}

const DEFAULT_MEMORY_BUDGET = 512 * 2 ** 20;
/** Bytes behind the last needed one that are looked through (for the checksum) before giving up. */
const MAX_SURPLUS_BYTES = 256 * 2 ** 20;

/**
 * What to say about bytes behind the last one that is needed.
 *
 * @param surplus How many; 0 or less is nothing to say.
 */
export function surplusRemarks(surplus: number): string[] {
  return surplus > 0
    ? [`Behind the last voxel are ${surplus} further bytes, which are not read.`]
    : [];
}

/** Collects content: first the head, then, once the plan has spoken, memory or a temporary file. */
export class ContentStore {
  readonly #label: string;
  readonly #limit: number;
  readonly #options: OpenOptions & { readonly plan: ReadPlan };
  #head: Uint8Array[] = [];
  #headBytes = 0;
  #needed: number | undefined;
  #total = 0;
  #memory: Uint8Array | undefined;
  #file: TemporaryRoom | undefined;
  readonly #remarks: string[] = [];

  /**
   * Starts empty.
   *
   * @param label Label for messages.
   * @param limit The most bytes that can come.
   * @param options Budget and plan.
   */
  constructor(label: string, limit: number, options: OpenOptions & { readonly plan: ReadPlan }) {
    this.#label = label;
    this.#limit = limit;
    this.#options = options;
  }

  /** Takes the next bytes of content. */
  add(chunk: Uint8Array): void {
    if (this.#needed !== undefined) return this.#keep(chunk);
    this.#head.push(chunk);
    this.#headBytes += chunk.length;
    if (this.#headBytes >= this.#options.plan.headBytes) this.#begin();
  }

  /** Takes a sentence about what is odd in the content. */
  remark(text: string): void {
    this.#remarks.push(text);
  }

  /**
   * Ends the content.
   *
   * @throws {FormatError} when the plan is not satisfied with it.
   */
  finish(): ByteSource {
    if (this.#needed === undefined) this.#begin();
    // The plan judges again, now knowing how many bytes there are.
    const source = this.#memory
      ? memorySource(this.#memory.subarray(0, this.#total), this.#label)
      : this.#file!.finish();
    this.#options.plan.neededBytes(readHead(source, this.#options.plan.headBytes), this.#total);
    const surplus = surplusRemarks(this.#total - this.#needed!);
    return { ...source, remarks: [...this.#remarks, ...surplus] };
  }

  /** Gives everything back. */
  discard(): void {
    this.#memory = undefined;
    this.#file?.discard();
  }

  #begin(): void {
    const head = concatBytes(this.#head);
    this.#head = [];
    const needed = this.#options.plan.neededBytes(
      head.subarray(0, this.#options.plan.headBytes),
      Infinity,
    );
    if (needed > this.#limit) {
      throw refusals(GZIP_RULES, this.#label)(
        "gzip.ratio",
        `its header asks for ${needed} bytes, and at most ${this.#limit} can be in it`,
      );
    }
    this.#needed = needed;
    if (needed <= (this.#options.memoryBudget ?? DEFAULT_MEMORY_BUDGET)) {
      this.#memory = new Uint8Array(needed);
    } else {
      this.#file = temporaryRoom(this.#label, {
        bytes: needed,
        folder: this.#options.cacheDirectory,
      });
    }
    this.#keep(head);
  }

  #keep(chunk: Uint8Array): void {
    const wanted = chunk.subarray(0, Math.max(0, this.#needed! - this.#total));
    if (this.#memory) this.#memory.set(wanted, Math.min(this.#total, this.#needed!));
    else this.#file!.write(wanted);
    this.#total += chunk.length;
    if (this.#total > this.#needed! + MAX_SURPLUS_BYTES) {
      throw refusals(GZIP_RULES, this.#label)(
        "gzip.size",
        `more than ${MAX_SURPLUS_BYTES} bytes behind the last voxel`,
      );
    }
  }
}
