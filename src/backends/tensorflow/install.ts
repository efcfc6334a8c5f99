/**
 * Building the native addon of tfjs-node against a TensorFlow that is there already. The package's own
 * installation would fetch a TensorFlow of 2022, which knows no recent GPU.
 *
 * What happens: TensorFlow is found, its version checked, the two C++ files of the package are compiled with
 * the Node-API headers, the result is tried in a child process, and only then put in its place.
 */
import { BackendError } from "../../base/errors.ts";
import { nodeHeaderFolder } from "../../deps/node_api_headers.ts";
import { type Ending, ownProgram, runProgram } from "../../deps/node_child_process.ts";
import { dirname, join } from "../../deps/node_path.ts";
import { howToGrant, isGranted } from "../../deps/permissions.ts";
import { loadTensorFlowPackage } from "../../deps/tfjs_node.ts";
import { removeQuietly, writeWhole } from "../../files/whole_file.ts";
import { makeFolder, renameFile } from "../../files/whole_folder.ts";
import { addonPath, type BuildNote, buildNotePath } from "./addon.ts";
import { findTensorFlow, type TensorFlowFiles } from "./find_tensorflow.ts";

/** Oldest TensorFlow whose C interface the addon's sources were written for. */
const OLDEST = [2, 9] as const;

/** C++ compilers, in the order of trying. */
const COMPILERS = ["g++", "clang++", "c++"];

const COMPILE_LIMIT_MS = 300_000;
const TRIAL_LIMIT_MS = 120_000;

/** Options of {@link installTensorFlow}. */
export interface InstallOptions {
  /** Where TensorFlow is; see {@link findTensorFlow}. Default: what `python3` knows. */
  readonly from?: string;
  /** Hears about every step. */
  readonly onStep?: (sentence: string) => void;
}

/** What was done. */
export interface InstallReport extends BuildNote {
  /** The addon, absolute path. */
  readonly addon: string;
  /** Whether the addon sees a GPU. */
  readonly gpu: boolean;
}

/**
 * Builds and installs the addon. Needs `--allow-read --allow-write --allow-run --allow-env --allow-net`
 * (the last to fetch the two npm packages when they are not cached).
 *
 * @throws {BackendError} when TensorFlow or a compiler is missing, or the result does not load.
 * @throws {WriteError} when the package's folder cannot be written.
 */
export async function installTensorFlow(options: InstallOptions = {}): Promise<InstallReport> {
  const say = options.onStep ?? (() => {});
  requirePermissions();
  const tensorflow = await findTensorFlow(options.from);
  say(`TensorFlow ${tensorflow.version ?? "(version unknown)"} in ${tensorflow.folder}`);
  if (tensorflow.version !== null) requireVersion(tensorflow.version);
  const compiler = await findCompiler();
  say(`compiler: ${compiler.description}`);
  const { folder } = await loadTensorFlowPackage();
  const addon = addonPath(folder);
  const unfinished = `${addon}.new.node`;
  makeFolder(dirname(addon));
  try {
    await compile(compiler.program, tensorflow, { sources: folder, result: unfinished });
    say("compiled; loading it in a child process");
    const { version, gpu } = await tryAddon(unfinished);
    requireVersion(version);
    if (tensorflow.version !== null && tensorflow.version !== version) {
      throw failure(
        `the addon loads TensorFlow ${version}, but ${tensorflow.folder} holds ${tensorflow.version}`,
        "remove the other one from the library path",
      );
    }
    renameFile(unfinished, addon);
    const note: BuildNote = {
      tensorflow: version,
      folder: tensorflow.folder,
      compiler: compiler.description,
    };
    writeWhole(buildNotePath(folder), JSON.stringify(note, null, 2) + "\n");
    say(`installed as ${addon}`);
    return { ...note, addon, gpu };
  } finally {
    removeQuietly(unfinished);
  }
}

/**
 * Refuses a TensorFlow that is too old.
 *
 * @param version `"2.21.0"`.
 * @throws {BackendError} below 2.9.
 */
export function requireVersion(version: string): void {
  const [major, minor] = version.split(".").map(Number);
  const fits = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
  if (!fits) {
    throw failure(`found version ${version}, needs ${OLDEST.join(".")} or newer`, "upgrade it");
  }
}

function requirePermissions(): void {
  const needed = ["read", "write", "run", "env"] as const;
  if (needed.every((name) => isGranted(name))) return;
  throw failure(
    "it needs more permissions",
    howToGrant([...needed, "net"].map((name) => `--allow-${name}`).join(" ")),
  );
}

async function findCompiler(): Promise<{ program: string; description: string }> {
  for (const program of COMPILERS) {
    const { status, output } = await runProgram(program, ["--version"], 20_000);
    if (status === 0) return { program, description: output.split("\n")[0].trim() };
  }
  throw failure(
    `found none of the C++ compilers ${COMPILERS.join(", ")}`,
    "install one (Debian: apt install g++)",
  );
}

async function compile(
  compiler: string,
  tensorflow: TensorFlowFiles,
  { sources, result }: { sources: string; result: string },
): Promise<void> {
  const source = (name: string) => join(sources, "binding", name);
  const libraryFolder = dirname(tensorflow.libraries[0]);
  const ending = await runProgram(compiler, [
    "-O2",
    "-fPIC",
    "-shared",
    "-std=c++17",
    "-DNAPI_VERSION=8",
    `-I${await nodeHeaderFolder()}`,
    `-I${tensorflow.headers}`,
    source("tfjs_backend.cc"),
    source("tfjs_binding.cc"),
    "-o",
    result,
    ...tensorflow.libraries,
    `-Wl,-rpath,${libraryFolder}`,
  ], COMPILE_LIMIT_MS);
  if (ending.status !== 0) {
    throw failure(
      `the compiler failed: ${firstError(ending)}`,
      "try another TensorFlow with --from",
    );
  }
}

/** Loads an addon where a crash does no harm. */
async function tryAddon(path: string): Promise<{ version: string; gpu: boolean }> {
  const module = new URL("./try_addon.ts", import.meta.url).href;
  const args = ["run", "--quiet", "--no-prompt", "--no-check", "--no-lock", "-A", module, path];
  const ending = await runProgram(ownProgram(), args, TRIAL_LIMIT_MS);
  const line = ending.output.trim().split("\n").pop() ?? "";
  if (ending.status === 0 && line.startsWith("{")) return JSON.parse(line);
  const how = ending.timedOut
    ? "loading it took too long"
    : ending.signal !== null
    ? `loading it crashed (${ending.signal})`
    : `it does not load: ${firstError(ending)}`;
  throw failure(`the addon was built, but ${how}`, "try another TensorFlow with --from");
}

function firstError({ errors, timedOut }: Ending): string {
  if (timedOut) return "it took too long";
  return errors.split("\n").find((line) => /error/i.test(line))?.trim() ??
    errors.trim().slice(0, 300);
}

function failure(problem: string, next: string): BackendError {
  return new BackendError("tensorflow", `Cannot install TensorFlow: ${problem}; ${next}`);
}
