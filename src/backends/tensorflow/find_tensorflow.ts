/**
 * Finding a TensorFlow that the user has: the Python package (its wheel carries headers and libraries), or an
 * unpacked libtensorflow archive.
 */
import { BackendError } from "../../base/errors.ts";
import { runProgram } from "../../deps/node_child_process.ts";
import { fileExists, namesIn } from "../../deps/node_fs.ts";
import { basename, dirname, join, resolve } from "../../deps/node_path.ts";

/** A TensorFlow to build against. */
export interface TensorFlowFiles {
  /** Folder that contains it: `…/site-packages/tensorflow`, or of the archive. */
  readonly folder: string;
  /** Folder with `tensorflow/c/c_api.h`. */
  readonly headers: string;
  /** Libraries to link to, absolute. */
  readonly libraries: readonly string[];
  /** From the wheel's metadata; null for archives, which do not say. */
  readonly version: string | null;
}

/** Sets of libraries that together offer the C interface, by file name stem. */
const LIBRARY_SETS = [
  ["libtensorflow_cc", "libtensorflow_framework"],
  ["libtensorflow", "libtensorflow_framework"],
];

const LIBRARY_ENDING = /^(\.so(\.\d+)?|(\.\d+)?\.dylib)$/;

/**
 * Finds TensorFlow.
 *
 * @param from A Python environment, a `site-packages` or `tensorflow` folder, or an unpacked libtensorflow;
 *   without it `python3` is asked where its TensorFlow is.
 * @throws {BackendError} when there is none; the message lists where was looked.
 */
export async function findTensorFlow(from?: string): Promise<TensorFlowFiles> {
  const candidates = from === undefined ? await pythonCandidates() : foldersBelow(resolve(from));
  for (const folder of candidates) {
    const found = filesIn(folder);
    if (found !== null) return found;
  }
  const looked = candidates.length > 0 ? candidates.join(", ") : "python3's packages";
  throw new BackendError(
    "tensorflow",
    `Cannot find TensorFlow: found no headers with libraries in ${looked}; install one ` +
      `("python3 -m venv tf && tf/bin/pip install tensorflow-cpu", or "tensorflow[and-cuda]" for an ` +
      "NVIDIA GPU) and name its folder with --from",
  );
}

/** The folder itself, and where a Python environment or `site-packages` would have the package. */
function foldersBelow(folder: string): string[] {
  const lib = join(folder, "lib");
  const pythons = namesIn(lib).filter((name) => /^python3/.test(name));
  return [
    folder,
    join(folder, "tensorflow"),
    ...pythons.map((python) => join(lib, python, "site-packages", "tensorflow")),
    join(folder, "Lib", "site-packages", "tensorflow"),
  ];
}

async function pythonCandidates(): Promise<string[]> {
  const program =
    "import importlib.util as u; s = u.find_spec('tensorflow'); print(s.submodule_search_locations[0] if s else '')";
  const { status, output } = await runProgram("python3", ["-c", program], 20_000);
  const folder = output.trim();
  return status === 0 && folder !== "" ? [folder] : [];
}

function filesIn(folder: string): TensorFlowFiles | null {
  const headers = join(folder, "include");
  if (!fileExists(join(headers, "tensorflow", "c", "eager", "c_api.h"))) return null;
  for (const libraryFolder of [folder, join(folder, "lib")]) {
    const libraries = librariesIn(libraryFolder);
    if (libraries !== null) return { folder, headers, libraries, version: wheelVersion(folder) };
  }
  return null;
}

function librariesIn(folder: string): string[] | null {
  const names = namesIn(folder);
  for (const stems of LIBRARY_SETS) {
    const found = stems.map((stem) =>
      names.find((name) => name.startsWith(stem) && LIBRARY_ENDING.test(name.slice(stem.length)))
    );
    if (found.every((name) => name !== undefined)) {
      return found.map((name) => join(folder, name as string));
    }
  }
  return null;
}

/** Version from `tensorflow_cpu-2.21.0.dist-info` beside the package. */
function wheelVersion(folder: string): string | null {
  if (basename(folder) !== "tensorflow") return null;
  for (const name of namesIn(dirname(folder))) {
    const match = name.match(
      /^tensorflow(?:_cpu|_gpu|_rocm|_intel)?-(\d+\.\d+\.\d+\w*)\.dist-info$/,
    );
    if (match !== null) return match[1];
  }
  return null;
}
