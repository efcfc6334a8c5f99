/**
 * Checks the text of every file against text_rules.ts, and that every committed Markdown link to a file of
 * the repository and every citation of a model's page leads somewhere.
 *
 * Run with: deno run --allow-read=. tools/check_text.ts
 */
import { listFiles, report, ROOT } from "./repository.ts";
import {
  citationProblems,
  LOCK_RULES,
  numberedSections,
  TEXT_RULES,
  textProblems,
} from "./text_rules.ts";

/** Files that are data, not text. */
const BINARY = /\.(nii|gz|safetensors|pt|npy|wasm|png|jpg|ico|bin|hdr|img|trk|tck)$/;

/** Text that others wrote and that is kept as it came. */
const FOREIGN = /^(data|tests\/data|tests\/golden\/fixtures)\//;

/** The rules' own test must contain what the rules forbid. */
const EXEMPT = new Set(["tests/tools/text_rules_test.ts"]);

/** Relative links `[…](target)` of a Markdown file that lead nowhere. */
function deadLinks(path: string, text: string, files: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  for (const [, target] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const found = new URL(target, `file:///${path}`).pathname.slice(1).replace(/\/$/, "");
    const exists = files.has(found) || [...files].some((file) => file.startsWith(`${found}/`));
    if (!exists) problems.push(`${path}: link to "${target}" leads nowhere`);
  }
  return problems;
}

/** Sections of the models' pages, by the name that citations use. */
function modelPages(): Map<string, Set<string>> {
  const pages = listFiles("docs/models", (path) => path.endsWith(".md"));
  return new Map(pages.map((path) => {
    const name = path.slice("docs/models/".length, -".md".length).replaceAll("_", "-");
    return [name, numberedSections(Deno.readTextFileSync(ROOT + path))];
  }));
}

if (import.meta.main) {
  const pages = modelPages();
  const paths = listFiles("", (path) => !BINARY.test(path) && !FOREIGN.test(path));
  const everything = new Set(listFiles());
  const problems: string[] = [];
  for (const path of paths) {
    const text = Deno.readTextFileSync(ROOT + path);
    if (!EXEMPT.has(path)) {
      problems.push(
        ...textProblems(path, text, TEXT_RULES),
        ...citationProblems(path, text, pages),
      );
    }
    if (path === "deno.lock") problems.push(...textProblems(path, text, LOCK_RULES));
    if (path.endsWith(".md")) problems.push(...deadLinks(path, text, everything));
  }
  report("text", problems, `${paths.length} files`);
}
