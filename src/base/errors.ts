/**
 * The error classes of the library. Each carries the facts as fields, so that a program can react
 * without parsing text. Message grammar: what was being done, the value found, the value needed, the
 * next step.
 */

/** Root of every error this library throws on purpose; `instanceof RecvaeError` separates them from defects. */
export class RecvaeError extends Error {
  /** Name of the class. */
  override readonly name: string = "RecvaeError";
}

/** An argument or configuration field has a value that cannot be used. */
export class ConfigError extends RecvaeError {
  /** Name of the class. */
  override readonly name = "ConfigError";
  /** Name of the offending field or argument, e.g. `"latentDim"`. */
  readonly field: string;
  /**
   * Makes the error.
   *
   * @param field Name of the offending field.
   * @param message Full sentence.
   */
  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

/** An array or tensor has a shape, length or axis order that does not fit. */
export class ShapeError extends RecvaeError {
  /** Name of the class. */
  override readonly name = "ShapeError";
  /** Shape found. */
  readonly found: readonly number[];
  /** What was needed, in words or as a shape. */
  readonly needed: string;
  /**
   * Makes the error.
   *
   * @param message Full sentence.
   * @param found Shape found.
   * @param needed What was needed.
   */
  constructor(message: string, found: readonly number[], needed: string) {
    super(message);
    this.found = found;
    this.needed = needed;
  }
}

/** A file is not what its name or header claims, or a kind of file this library does not read. */
export class FormatError extends RecvaeError {
  /** Name of the class. */
  override readonly name = "FormatError";
  /** Path, URL or label of the source. */
  readonly source: string;
  /** Short stable identifier of the violated rule, e.g. `"nifti.dim"`. */
  readonly rule: string;
  /**
   * Makes the error.
   *
   * @param source Path or label.
   * @param rule Identifier of the rule.
   * @param message Full sentence.
   */
  constructor(source: string, rule: string, message: string) {
    super(message);
    this.source = source;
    this.rule = rule;
  }
}

/** Training produced a NaN or an infinity. */
export class DivergenceError extends RecvaeError {
  /** Name of the class. */
  override readonly name = "DivergenceError";
  /** 0-based epoch. */
  readonly epoch: number;
  /** 0-based batch within the epoch. */
  readonly batch: number;
  /** Name of the first non-finite tensor or loss term. */
  readonly tensor: string;
  /** Rows of the offending batch. */
  readonly rows: readonly number[];
  /** The same where rows are subjects. */
  readonly subjects: readonly number[];
  /**
   * Makes the error.
   *
   * @param message Full sentence.
   * @param where Position of the failure.
   */
  constructor(
    message: string,
    where: { epoch: number; batch: number; tensor: string; rows: readonly number[] },
  ) {
    super(message);
    this.epoch = where.epoch;
    this.batch = where.batch;
    this.tensor = where.tensor;
    this.rows = where.rows;
    this.subjects = where.rows;
  }
}

/** A run folder or checkpoint is missing, incomplete or does not fit the model. */
export class CheckpointError extends RecvaeError {
  /** Name of the class. */
  override readonly name = "CheckpointError";
  /** Folder or file concerned. */
  readonly path: string;
  /**
   * Makes the error.
   *
   * @param path Folder or file.
   * @param message Full sentence.
   */
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** A file or folder cannot be written, or not to the end; what was there before is as it was. */
export class WriteError extends RecvaeError {
  /** Name of the class. */
  override readonly name = "WriteError";
  /** File or folder concerned. */
  readonly path: string;
  /** The system's code, e.g. `"ENOSPC"`; empty when it gave none. */
  readonly code: string;
  /**
   * Makes the error.
   *
   * @param path File or folder.
   * @param message Full sentence.
   * @param why The system's code and error.
   */
  constructor(path: string, message: string, why: { code: string; cause?: unknown }) {
    super(message, { cause: why.cause });
    this.path = path;
    this.code = why.code;
  }
}

/** An engine cannot be used, ran out of memory or lost its device. */
export class BackendError extends RecvaeError {
  /** Name of the class. */
  override readonly name = "BackendError";
  /** Engine name, e.g. `"wasm"`. */
  readonly backend: string;
  /**
   * Makes the error.
   *
   * @param backend Engine name.
   * @param message Full sentence.
   */
  constructor(backend: string, message: string) {
    super(message);
    this.backend = backend;
  }
}

/** The user or a signal asked for a stop; what was learnt so far is saved. */
export class InterruptedError extends RecvaeError {
  /** Name of the class. */
  override readonly name = "InterruptedError";
}

/** A system of equations has no unique solution. */
export class SingularMatrixError extends RecvaeError {
  /** Name of the class. */
  override readonly name = "SingularMatrixError";
}
