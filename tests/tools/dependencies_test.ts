/**
 * What the first run downloads: the npm packages of the lock file and of the two module graphs are those listed
 * here, so that they cannot grow unseen. Packages of engines that are loaded when asked for are none of them.
 */
import { assertEquals } from "../../src/deps/std.ts";
import { ROOT } from "../../tools/repository.ts";

const PACKAGES = [
  "@tensorflow/tfjs-backend-cpu",
  "@tensorflow/tfjs-core",
  "@types/long",
  "@types/offscreencanvas",
  "@types/seedrandom",
  "@webgpu/types",
  "deno-std",
  "fflate",
  "is-any-array",
  "long",
  "ml-array-max",
  "ml-array-min",
  "ml-array-rescale",
  "ml-matrix",
  "nifti-reader-js",
  "node-fetch",
  "seedrandom",
  "tr46",
  "webidl-conversions",
  "whatwg-url",
];

const ADVICE =
  "a new package needs a line in docs/dependencies.md and here; if an engine that is loaded " +
  'when asked for got into the lock file by use, "git checkout deno.lock" takes it out';

interface Lock {
  readonly npm: Record<string, { readonly scripts?: boolean }>;
}

const LOCK: Lock = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.lock`));

/** Names of entries like `@a/b@1.2.3_peer@4.5.6`. */
function namesOf(entries: object): string[] {
  return Object.keys(entries).map((entry) => entry.slice(0, entry.indexOf("@", 1))).sort();
}

Deno.test("deno.lock holds the packages everybody needs, once each, and no other", () => {
  assertEquals(namesOf(LOCK.npm), PACKAGES, ADVICE);
});

Deno.test("no package wants to run a build script, which Deno would warn about", () => {
  assertEquals(Object.entries(LOCK.npm).filter(([, { scripts }]) => scripts), []);
});

for (const module of ["mod.ts", "src/cli/main.ts"]) {
  Deno.test(`${module} reaches no npm package that is not listed`, async () => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", module],
      cwd: ROOT,
    }).output();
    const graph = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(namesOf(graph.npmPackages), PACKAGES, ADVICE);
  });
}
