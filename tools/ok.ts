/**
 * The gate: runs every check in turn, all of them even when one fails, and ends with a table and one line
 * of counts.
 *
 * Run with: deno task ok [--without-tests]
 */

/** Checks in the order in which they fail fastest; each is a task of deno.json. */
const STEPS = [
  ["check:format", "formatting (deno fmt)"],
  ["check:lint", "lint and house rules (deno lint)"],
  ["check:text", "text: machine paths, hosts, dead links"],
  ["check:layers", "import layers"],
  ["check:types", "types (deno check)"],
  ["check:docs", "documentation of the public names (deno doc --lint)"],
  ["check:kernels", "kernel binaries: hashes and rebuild"],
  ["test", "tests, examples in comments included"],
] as const;

/** A step that could not run here says so with this exit code (and why, in its output). */
const SKIPPED = 77;

type Outcome = "passed" | "failed" | "skipped";

async function runStep(task: string): Promise<{ outcome: Outcome; seconds: number }> {
  const started = performance.now();
  const { code } = await new Deno.Command("deno", {
    args: ["task", "--quiet", task],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  const outcome = code === 0 ? "passed" : code === SKIPPED ? "skipped" : "failed";
  return { outcome, seconds: (performance.now() - started) / 1000 };
}

async function main(args: readonly string[]): Promise<number> {
  const steps = STEPS.filter(([task]) => task !== "test" || !args.includes("--without-tests"));
  const counts: Record<Outcome, number> = { passed: 0, failed: 0, skipped: 0 };
  const lines: string[] = [];
  for (const [task, title] of steps) {
    console.log(`\n== ${title}`);
    const { outcome, seconds } = await runStep(task);
    counts[outcome]++;
    lines.push(`${outcome.padEnd(8)} ${seconds.toFixed(1).padStart(6)} s  ${title}`);
  }
  console.log(`\n${lines.join("\n")}`);
  console.log(`gate: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts.failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
