/**
 * Checks who imports whom, over the module graphs that `deno info --json` gives, against the table in
 * import_layers.ts.
 *
 * Run with: deno run --allow-read=. --allow-run=deno tools/check_layers.ts
 */
import { type Import, layerProblem, roomCycle } from "./import_layers.ts";
import { listFiles, report, ROOT } from "./repository.ts";

interface ResolvedSpecifier {
  readonly specifier?: string;
  readonly error?: string;
}

interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: ResolvedSpecifier;
      readonly type?: ResolvedSpecifier;
    }[];
  }[];
}

const ROOT_URL = new URL("../", import.meta.url).href;

async function moduleGraph(path: string): Promise<ModuleGraph> {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["info", "--json", path],
    cwd: ROOT,
  }).output();
  if (code !== 0) throw new Error(`deno info ${path}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Module URLs become paths from the root; packages keep their specifier. */
function shorten(specifier: string): string {
  return specifier.startsWith(ROOT_URL) ? specifier.slice(ROOT_URL.length) : specifier;
}

async function allImports(): Promise<{ edges: Import[]; errors: string[]; files: number }> {
  const isSource = (path: string) => /\.(ts|js)$/.test(path) && !path.endsWith(".d.ts");
  const waiting = ["mod.ts", "src/cli/main.ts", ...listFiles("src", isSource)];
  const known = new Set(listFiles("", isSource));
  const seen = new Set<string>();
  const edges = new Map<string, Import>();
  const errors: string[] = [];
  for (const root of waiting) {
    if (seen.has(root) || !known.has(root)) continue;
    for (const module of (await moduleGraph(root)).modules) {
      const from = shorten(module.specifier);
      if (seen.has(from) || from.includes(":")) continue;
      seen.add(from);
      if (module.error) errors.push(`${from}: ${module.error}`);
      for (const { specifier, code, type } of module.dependencies ?? []) {
        const to = shorten(code?.specifier ?? type?.specifier ?? specifier);
        edges.set(`${from} ${to}`, { from, to });
      }
    }
  }
  return { edges: [...edges.values()], errors, files: seen.size };
}

if (import.meta.main) {
  const { edges, errors, files } = await allImports();
  const problems = edges.map(layerProblem).filter((problem) => problem !== null);
  const cycle = roomCycle(edges);
  if (cycle) problems.push(`Rooms import each other in a circle: ${cycle.join(" -> ")}`);
  report("import layers", [...errors, ...problems], `${files} files, ${edges.length} imports`);
}
