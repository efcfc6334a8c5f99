/**
 * Texts that must not stand in the repository: machine paths, registry hosts, addresses in the lock file, citations
 * of what is not there.
 */

/** A forbidden pattern and why. */
export interface TextRule {
  readonly name: string;
  readonly pattern: RegExp;
}

// The hosts are put together so that this file does not contain what it looks for.
const HOSTS = [
  ["registry", "npmjs", "org"],
  ["registry", "yarnpkg", "com"],
  ["npm", "pkg", "github", "com"],
  ["npmmirror", "com"],
  ["npm", "jsr", "io"],
  ["jsr", "io"],
  ["deno", "land"],
  ["esm", "sh"],
  ["unpkg", "com"],
  ["jsdelivr", "net"],
  ["skypack", "dev"],
  ["pypi", "org"],
  ["pythonhosted", "org"],
  ["deb", "debian", "org"],
].map((parts) => parts.join("\\."));

/** Rules for every text file. */
export const TEXT_RULES: readonly TextRule[] = [
  {
    name: "absolute path of one machine",
    pattern: /(?<![\w.~*$}])\/(?:home|root|Users|work|workspace|mnt|media|tmp|var\/tmp)\/[\w.-]+/,
  },
  { name: "absolute path of one machine", pattern: /\b[A-Z]:\\(?:Users|Temp|Windows)\b/ },
  { name: "host name of a package registry", pattern: new RegExp(`\\b(?:${HOSTS.join("|")})\\b`) },
  {
    name: "citation of a document outside the repository",
    pattern: /\bspec(?:ification)?(?:'s)? (?:sections? )?(?:\d+(?:\.\d+)*|Appendix [A-Z])\b/i,
  },
];

/** `[recurrent-vae §3.2, §12 step 4]`: a model's name with hyphens, and sections of its page. A line may end in it. */
const CITATION = /\[([a-z][a-z0-9-]*)[\s*]+(§[^\]]*)\]/g;

/** The number behind §; a letter for an appendix. */
const SECTION = /§(\d+(?:\.\d+)*|[A-Z](?!\w))?/g;

/** `## 3. Model`, `### 3.2 Layers`, `## Appendix A. Random streams`. */
const NUMBERED_HEADING = /^#+ (?:(\d+(?:\.\d+)*)\.?|Appendix ([A-Z])\.) /gm;

/** Rules for deno.lock: package names, versions and hashes only. */
export const LOCK_RULES: readonly TextRule[] = [
  { name: "address in the lock file", pattern: /https?:\/\/|"tarball"|"redirects"|"remote"/ },
];

/**
 * Applies rules line by line.
 *
 * @param path Path to name.
 * @param text Contents.
 * @param rules Which ones apply.
 * @returns One line per finding: `path:line: rule: "found"`.
 */
export function textProblems(path: string, text: string, rules: readonly TextRule[]): string[] {
  const problems: string[] = [];
  text.split("\n").forEach((line, i) => {
    for (const { name, pattern } of rules) {
      const match = pattern.exec(line);
      if (match) problems.push(`${path}:${i + 1}: ${name}: "${match[0]}"`);
    }
  });
  return problems;
}

/**
 * The numbers of a page's headings.
 *
 * @param markdown Text of the page.
 * @returns Such as `"3"`, `"3.2"`, `"A"`.
 */
export function numberedSections(markdown: string): Set<string> {
  return new Set(Array.from(markdown.matchAll(NUMBERED_HEADING), ([, n, letter]) => n ?? letter));
}

/**
 * Finds citations of sections that do not exist.
 *
 * @param path Path to name.
 * @param text Contents.
 * @param pages Sections of each model's page, by the name that citations use: `"recurrent-vae"`.
 * @returns One line per finding: `path:line: "found": why`.
 */
export function citationProblems(
  path: string,
  text: string,
  pages: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  return Array.from(text.matchAll(CITATION)).flatMap(({ 0: found, 1: model, 2: cited, index }) => {
    const place = `${path}:${text.slice(0, index).split("\n").length}: "${found}"`;
    const page = `docs/models/${model.replaceAll("-", "_")}.md`;
    const sections = pages.get(model);
    if (!sections) return [`${place}: there is no ${page}`];
    return Array.from(cited.matchAll(SECTION), ([, number]) => number)
      .filter((number) => number === undefined || !sections.has(number))
      .map((number) =>
        number === undefined
          ? `${place}: § needs the number of a section`
          : `${place}: ${page} has no section ${number}`
      );
  });
}
