/**
 * TensorFlow.js on native TensorFlow: the package `@tensorflow/tfjs-node` without its own start, which would
 * insist on a library of 2022 that its install script fetches. Its kernels are registered and its backend
 * class is given a native addon of our choice (built by backends/tensorflow/install.ts).
 *
 * The specifiers are no literals on purpose: Deno downloads every package that a module graph names in a
 * literal import, and almost nobody needs this one.
 */
import Module, { createRequire } from "node:module";
import process from "node:process";
import util from "node:util";

const PACKAGE = "npm:@tensorflow/tfjs-node@4.22.0";

/** The native addon: what is used of it. */
export interface TensorFlowAddon {
  /** `"2.21.0"`. */
  readonly TF_Version: string;
  isUsingGpuDevice(): boolean;
}

/** The backend of TensorFlow.js for native TensorFlow; a KernelBackend. */
export interface TensorFlowBackend {
  readonly isUsingGpuDevice: boolean;
}

/** The loaded package. */
export interface TensorFlowPackage {
  /** Folder of the package, absolute. */
  readonly folder: string;
  /** Makes the backend. Its kernels expect it under the name "tensorflow". */
  createBackend(addon: TensorFlowAddon): TensorFlowBackend;
}

/**
 * Loads the package and registers its kernels, once. Downloads it when it is not cached yet.
 *
 * Needs `--allow-read` of Deno's cache.
 */
export async function loadTensorFlowPackage(): Promise<TensorFlowPackage> {
  // Removed from Node, still called by the package.
  const old = util as { isNullOrUndefined?: (value: unknown) => boolean };
  old.isNullOrUndefined ??= (value) => value === null || value === undefined;
  const { NodeJSKernelBackend } = await import(`${PACKAGE}/dist/nodejs_kernel_backend.js`);
  await import(`${PACKAGE}/dist/register_all_kernels.js`);
  return {
    folder: folderOf("nodejs_kernel_backend.js"),
    createBackend: (addon) => new NodeJSKernelBackend(addon, "@tensorflow/tfjs-node"),
  };
}

/**
 * Loads a native addon. Needs `--allow-ffi`, and the libraries it is linked to.
 *
 * @param path Absolute path of a `.node` file.
 */
export function loadTensorFlowAddon(path: string): TensorFlowAddon {
  return createRequire(path)(path);
}

/**
 * Sets an environment variable that native TensorFlow reads when it is loaded; quietly does nothing
 * without the permission.
 */
export function setNativeVariable(name: string, value: string): void {
  try {
    process.env[name] = value;
  } catch {
    // not permitted: TensorFlow's default applies
  }
}

/** The package's folder, from the modules that are loaded: an npm specifier does not tell. */
function folderOf(file: string): string {
  const loaded = Object.keys((Module as unknown as { _cache: object })._cache);
  const path = loaded.find((name) =>
    name.endsWith(file) && /[\\/]tfjs-node[\\/]([\d.]+[\\/])?dist[\\/]/.test(name)
  );
  if (path === undefined) {
    throw new Error(`${PACKAGE}: cannot tell where its modules were loaded from`);
  }
  return path.slice(0, path.lastIndexOf("dist") - 1);
}
