/** All commands, in the order in which the help lists them. */
import { defaultFamily } from "../pipelines/families.ts";
import { backendsCommand } from "./backends.ts";
import type { Command } from "./command.ts";
import { convertCommand } from "./convert.ts";
import { crossvalidateCommands } from "./crossvalidate.ts";
import { preparingCommands, runCommands, synthesizeCommands } from "./family_commands.ts";
import { inspectCommand } from "./inspect.ts";
import { parcellateCommand } from "./parcellate.ts";
import { trainCommand } from "./train.ts";

/** The table, as the families make it. */
export function allCommands(): readonly Command[] {
  return [
    trainCommand(defaultFamily()),
    ...crossvalidateCommands(),
    ...runCommands(),
    inspectCommand,
    backendsCommand,
    convertCommand,
    parcellateCommand,
    ...synthesizeCommands(),
    ...preparingCommands(),
  ];
}
