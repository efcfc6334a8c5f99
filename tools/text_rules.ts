/** Texts that must not stand in the repository: machine paths, registry hosts, addresses in the lock file. */

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
];

/** Rules for deno.lock: package names, versions and hashes only. */
export const LOCK_RULES: readonly TextRule[] = [
  { name: "address in the lock file", pattern: /https?:\/\/|"tarball"|"redirects"|"remote"/ },
];

/**
 * Applies rules line by line.
 *
 * @param path Path to name. @param text Contents. @param rules Which ones apply.
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
