/** All commands, in the order in which the help lists them. */
import { backendsCommand } from "./backends.ts";
import type { Command } from "./command.ts";
import { convertCommand } from "./convert.ts";
import { encodeCommand } from "./encode.ts";
import { evaluateCommand } from "./evaluate.ts";
import { inspectCommand } from "./inspect.ts";
import { reconstructCommand } from "./reconstruct.ts";
import { synthesizeCommand } from "./synthesize.ts";
import { trainCommand } from "./train.ts";

/** The table. */
export const COMMANDS: readonly Command[] = [
  trainCommand,
  evaluateCommand,
  encodeCommand,
  reconstructCommand,
  inspectCommand,
  backendsCommand,
  convertCommand,
  synthesizeCommand,
];
