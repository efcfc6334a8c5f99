/** All commands, in the order in which the help lists them. */
import type { Command } from "./command.ts";
import { backendsCommand } from "./backends.ts";
import { convertCommand } from "./convert.ts";
import { trainCommand } from "./train.ts";

/** The table. */
export const COMMANDS: readonly Command[] = [
  trainCommand,
  backendsCommand,
  convertCommand,
];
