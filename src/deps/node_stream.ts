/** Streams of Node, as Deno ships them: the form in which `node:zlib` takes and gives chunks. */
export { Readable } from "node:stream";
export { finished } from "node:stream/promises";
