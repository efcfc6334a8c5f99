/**
 * The C headers of Node-API, for building the TensorFlow addon on machines without Node's own headers. No
 * literal specifier, so that only the installer downloads it (see tfjs_node.ts).
 */
const PACKAGE = "npm:node-api-headers@1.5.0";

/** Folder that holds `node_api.h`. */
export async function nodeHeaderFolder(): Promise<string> {
  const { default: headers } = await import(PACKAGE);
  return headers.include_dir;
}
