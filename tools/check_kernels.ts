/**
 * Checks the committed WebAssembly files: that each has the SHA-256 in wasm/dist/SHA256SUMS, and, where
 * clang-22 and wasm-ld-22 are installed, that building the sources again gives the same bytes.
 *
 * Run with: deno run --allow-read=. --allow-write --allow-run=bash,clang-22,wasm-ld-22 tools/check_kernels.ts
 * Exit code 77 means: hashes hold, the rebuild was skipped because a compiler is missing.
 */
import { listFiles, ROOT } from "./repository.ts";

/** Folder of the committed binaries, from the repository root. */
const DIST = "wasm/dist";

/** What a rebuild needs. */
const COMPILERS = ["clang-22", "wasm-ld-22"];

/** SHA-256 of bytes in lower-case hexadecimal. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The sums file: `<hex>  <name>` a line, as the command sha256sum writes it. */
function readSums(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return new Map(lines.map((line) => {
    const [hex, name] = line.trim().split(/\s+\*?/);
    return [name, hex];
  }));
}

async function compareWithSums(sums: ReadonlyMap<string, string>, folder: string) {
  const problems: string[] = [];
  for (const [name, expected] of sums) {
    try {
      const found = await sha256(Deno.readFileSync(`${folder}/${name}`));
      if (found !== expected) problems.push(`${name}: SHA-256 is ${found}, needs ${expected}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      problems.push(`${name}: is listed in SHA256SUMS and missing`);
    }
  }
  return problems;
}

async function missingCompilers(): Promise<string[]> {
  const missing: string[] = [];
  for (const name of COMPILERS) {
    try {
      await new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" })
        .output();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      missing.push(name);
    }
  }
  return missing;
}

async function rebuild(folder: string): Promise<string | null> {
  const { code, stderr } = await new Deno.Command("bash", {
    args: [`${ROOT}wasm/build.sh`, folder],
    cwd: ROOT,
    stdout: "null",
    stderr: "piped",
  }).output();
  return code === 0 ? null : `wasm/build.sh failed: ${new TextDecoder().decode(stderr)}`;
}

async function main(): Promise<number> {
  const binaries = listFiles(DIST, (path) => path.endsWith(".wasm"));
  const sums = readSums(Deno.readTextFileSync(`${ROOT}${DIST}/SHA256SUMS`));
  const problems = await compareWithSums(sums, ROOT + DIST);
  for (const path of binaries) {
    const name = path.slice(DIST.length + 1);
    if (!sums.has(name)) problems.push(`${name}: is not listed in SHA256SUMS`);
  }
  const missing = await missingCompilers();
  let rebuilt = "rebuilt and compared";
  if (missing.length > 0) {
    rebuilt = `REBUILD SKIPPED: ${missing.join(" and ")} not installed (Debian: clang-22 lld-22)`;
  } else {
    const folder = Deno.makeTempDirSync();
    try {
      const failure = await rebuild(folder);
      if (failure) problems.push(failure);
      else {
        problems.push(
          ...(await compareWithSums(sums, folder)).map((problem) => `rebuilt ${problem}`),
        );
      }
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }
  for (const problem of problems) console.error(problem);
  const verdict = problems.length === 0 ? "ok" : `${problems.length} problems`;
  console.log(`kernels: ${verdict} (${binaries.length} files, ${rebuilt})`);
  return problems.length > 0 ? 1 : missing.length > 0 ? 77 : 0;
}

if (import.meta.main) Deno.exit(await main());
