/** Splits command lines into tokens; the command line's own tables give them meaning. */
export { parseArgs } from "node:util";
