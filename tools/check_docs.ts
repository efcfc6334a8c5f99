/**
 * Checks that every public name and member is documented and refers to public types only: `deno doc --lint`
 * on the modules the project exports, without its complaints about types of npm packages, which they cannot export without taking over
 * the whole package's documentation.
 *
 * Run with: deno run --allow-read=. --allow-run=deno tools/check_docs.ts
 */
import { report, ROOT } from "./repository.ts";

/** The modules the project exports, without the program. */
const MODULES = [
  "mod.ts",
  "src/pipelines/streamlines/public.ts",
  ...["linalg", "losses", "models/vae", "ops", "parameters", "training"].map((room) =>
    `src/${room}/mod.ts`
  ),
];

/** Types of TensorFlow.js in public signatures, and what is inside its own declarations. */
const FOREIGN = /references private type '(Tensor|Variable)'|\/(@tensorflow|src\/deps)\//;

/** One diagnostic: what is wrong, and where. */
async function diagnostics(): Promise<string[]> {
  const { stderr } = await new Deno.Command("deno", {
    args: ["doc", "--lint", ...MODULES],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  const lines = new TextDecoder().decode(stderr).split("\n");
  return lines.flatMap((line, i) => {
    const found = /^error\[[\w-]+\]: (.*)$/.exec(line);
    const place = /-->\s*(.*)$/.exec(lines[i + 1] ?? "");
    return found ? [`${place?.[1] ?? "mod.ts"}: ${found[1]}`] : [];
  });
}

if (import.meta.main) {
  const problems = await diagnostics();
  const own = problems.filter((problem) => !FOREIGN.test(problem));
  report(
    "documentation of the public names",
    own,
    `${problems.length - own.length} of foreign types`,
  );
}
