/** File names in the manner of the operating system. */
export { basename, dirname, join, resolve } from "node:path";
