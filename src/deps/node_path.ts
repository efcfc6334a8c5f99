/** File names in the manner of the operating system. */
export { basename, dirname, isAbsolute, join, resolve } from "node:path";
