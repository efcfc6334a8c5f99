/**
 * Shows how training goes: a bar that redraws itself on a terminal, plain lines elsewhere. Writes through a given
 * function (standard error, say), because results belong on standard output.
 */

/** Where progress goes. */
export interface ProgressOutput {
  /** Writes text as it is. */
  write(text: string): void;
  /** Whether a line can be redrawn. */
  readonly terminal: boolean;
  /** Width of the terminal in characters; default 80. */
  readonly columns?: number;
}

/** Options of {@link Progress}. */
export interface ProgressOptions {
  /** Where to write. */
  readonly output: ProgressOutput;
  /** Epochs of the whole run. */
  readonly epochs: number;
  /** Batches per epoch. */
  readonly batches: number;
  /** Epochs done before, when a run is resumed. */
  readonly completedEpochs?: number;
  /** Milliseconds since any moment; default `performance.now`. */
  readonly now?: () => number;
}

/** A terminal line is redrawn at most this often, a plain line about the batch printed at most that often. */
const REDRAW_MS = 100;
const PLAIN_MS = 30_000;

const CLEAR_LINE = "\r\x1b[2K";
const BAR_WIDTH = 20;

/** Progress of one run. */
export class Progress {
  readonly #options: ProgressOptions;
  readonly #now: () => number;
  readonly #start: number;
  readonly #first: number;
  #drawnAt = -Infinity;
  #line = "";

  /** The clock starts here. */
  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#start = this.#now();
    this.#first = (options.completedEpochs ?? 0) * options.batches;
    if (!options.output.terminal) this.#drawnAt = this.#start;
  }

  /**
   * Reports a finished batch.
   *
   * @param position 0-based epoch and batch.
   * @param loss Its loss.
   */
  batch({ epoch, batch }: { readonly epoch: number; readonly batch: number }, loss: number): void {
    const { output, epochs, batches } = this.#options;
    const now = this.#now();
    const done = epoch * batches + batch + 1;
    const last = done === epochs * batches;
    const { terminal } = output;
    if (now - this.#drawnAt < (terminal ? REDRAW_MS : PLAIN_MS) && !(terminal && last)) return;
    this.#drawnAt = now;
    const where = `epoch ${epoch + 1}/${epochs} batch ${batch + 1}/${batches}`;
    const facts = `${where}  loss ${formatLoss(loss)}  ${this.#remaining(done, now)}`;
    if (terminal) this.#redraw(`${bar(done / (epochs * batches))} ${facts}`);
    else output.write(facts + "\n");
  }

  /** Prints a line of its own, above the bar. */
  message(text: string): void {
    const { output } = this.#options;
    if (!output.terminal) return output.write(text + "\n");
    output.write(`${CLEAR_LINE}${text}\n${this.#line}`);
  }

  /** Takes the bar away; nothing may be reported afterwards. */
  finish(): void {
    if (this.#options.output.terminal && this.#line) this.#options.output.write(CLEAR_LINE);
    this.#line = "";
  }

  #redraw(text: string): void {
    const { output } = this.#options;
    this.#line = text.slice(0, (output.columns ?? 80) - 1);
    output.write(CLEAR_LINE + this.#line);
  }

  #remaining(done: number, now: number): string {
    const perBatch = (now - this.#start) / (done - this.#first);
    const { epochs, batches } = this.#options;
    const left = perBatch * (epochs * batches - done);
    return Number.isFinite(left) ? `ETA ${formatDuration(left)}` : "";
  }
}

/**
 * A duration as people write it: `0:42`, `12:05`, `3:10:00`, `2 d 3 h`.
 *
 * @param milliseconds At least 0; rounded up to whole seconds.
 */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit));
  const two = (value: number) => String(value).padStart(2, "0");
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours}:${two(minutes % 60)}:${two(seconds % 60)}`;
  return `${minutes}:${two(seconds % 60)}`;
}

/** At least four significant digits, no exponent for everyday sizes. */
function formatLoss(loss: number): string {
  const size = Math.abs(loss);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return loss.toExponential(3);
  return size >= 1e4 ? loss.toFixed(0) : loss.toPrecision(5);
}

function bar(fraction: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * BAR_WIDTH);
  return "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
}
