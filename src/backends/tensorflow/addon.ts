/**
 * Where the native addon lives: in the folder of the tfjs-node package, at the place where the package's
 * own installation would put it, beside a note of what it was built against.
 */
import { join } from "../../deps/node_path.ts";

/**
 * Place of the addon.
 *
 * @param packageFolder Folder of tfjs-node.
 */
export function addonPath(packageFolder: string): string {
  return join(packageFolder, "lib", "napi-v8", "tfjs_binding.node");
}

/**
 * Place of the note about how the addon was built.
 *
 * @param packageFolder Folder of tfjs-node.
 */
export function buildNotePath(packageFolder: string): string {
  return join(packageFolder, "lib", "napi-v8", "recvae-build.json");
}

/** What the installer writes beside the addon it built. */
export interface BuildNote {
  /** `"2.21.0"`. */
  readonly tensorflow: string;
  /** Folder of the TensorFlow that the addon loads. */
  readonly folder: string;
  /** Compiler and its version. */
  readonly compiler: string;
}

/** The command that builds the addon. */
export const INSTALL_COMMAND = "recvae backends install-tensorflow";
