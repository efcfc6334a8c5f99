/** All commands, in the order in which the help lists them. */
import type { Command } from "./command.ts";
import { backendsCommand } from "./backends.ts";
import { convertCommand } from "./convert.ts";

/** The table. */
export const COMMANDS: readonly Command[] = [
  backendsCommand,
  convertCommand,
];
