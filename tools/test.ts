/**
 * All tests in two parts, the quick one first, each announced with what runs and about how long it takes.
 *
 * The tests run with a copy of deno.lock: engines that are loaded when asked for (WebGPU) would otherwise enter
 * the lock file, and with it what everybody downloads at the first run.
 *
 * Run with: deno task test [options of deno test]
 */

/** Rooms of `tests` whose files do not mind each other, so that they run side by side, one on each core. */
export const QUICK_ROOMS = [
  "base",
  "formats",
  "hostile",
  "linalg",
  "losses",
  "ops",
  "data",
  "evaluation",
  "reports",
  "conformance",
  "models",
  "training",
  "wasm",
  "golden",
  "files",
  "tools",
] as const;

const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-net=127.0.0.1,localhost",
  "--allow-run",
  "--allow-sys",
  "--allow-ffi",
];

const LOCK_COPY = ".cache/test.lock";

/** A call of `deno test`. */
interface Part {
  /** What is in it and how long it takes on two cores. */
  readonly title: string;
  readonly args: readonly string[];
}

const QUICK = QUICK_ROOMS.map((room) => `tests/${room}/`);

const PARTS: readonly Part[] = [
  {
    title: `two minutes: ${QUICK_ROOMS.join(", ")}`,
    args: ["--parallel", ...QUICK],
  },
  {
    title: "four minutes: engines, families, the program, examples of the documents",
    args: ["--doc", `--ignore=${QUICK.join(",")}`, "tests/", "src/"],
  },
];

async function runPart({ args }: Part, more: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command("deno", {
    args: ["test", "--quiet", `--lock=${LOCK_COPY}`, ...PERMISSIONS, ...args, ...more],
    stdin: "null",
  }).spawn().status;
  return success;
}

async function main(more: readonly string[]): Promise<number> {
  await Deno.mkdir(".cache", { recursive: true });
  await Deno.copyFile("deno.lock", LOCK_COPY);
  let failed = 0;
  for (const [i, part] of PARTS.entries()) {
    console.log(`\n== Tests, part ${i + 1} of ${PARTS.length}, about ${part.title}`);
    if (!await runPart(part, more)) failed++;
  }
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
