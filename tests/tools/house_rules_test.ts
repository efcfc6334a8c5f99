/** The lint plugin: each rule finds what it forbids and leaves what is allowed. */
import { assertEquals } from "../../src/deps/std.ts";
import plugin, { importProblem, LONGEST_FILE, pathInRepository } from "../../tools/house_rules.ts";

/** Rule names that fire on `source` when it stands at `path`. */
function fired(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map((diagnostic) => diagnostic.id);
}

Deno.test("Deno.* in a model is reported, in the command line it is not", () => {
  assertEquals(fired("src/models/x.ts", "Deno.cwd();"), ["house/deno-namespace"]);
  assertEquals(fired("src/models/x.ts", "globalThis.Deno.cwd();"), ["house/deno-namespace"]);
  assertEquals(fired("src/cli/main.ts", "Deno.cwd();"), []);
  assertEquals(fired("tests/models/x_test.ts", "Deno.cwd();"), []);
});

Deno.test("changing the disk is for src/files, reading it is not", () => {
  for (
    const call of [
      "mkdirSync(p)",
      "writeFile(p, b)",
      "rename(a, b)",
      "remove(p)",
      "makeTempFileSync()",
    ]
  ) {
    assertEquals(fired("src/cli/x.ts", `Deno.${call};`), ["house/disk-writes"], call);
    assertEquals(fired("src/files/x.ts", `Deno.${call};`), [], call);
  }
  assertEquals(fired("src/cli/x.ts", "Deno.openSync(p, { createNew: true, write: true });"), [
    "house/disk-writes",
  ]);
  for (const call of ["openSync(p)", "open(p, { read: true })", "readFileSync(p)", "statSync(p)"]) {
    assertEquals(fired("src/cli/x.ts", `Deno.${call};`), [], call);
  }
});

Deno.test("printing is for the command line and the progress display", () => {
  assertEquals(fired("src/ops/x.ts", "console.log(1);"), ["house/console"]);
  assertEquals(fired("src/training/progress.ts", "console.log(1);"), []);
});

Deno.test("awaiting at the top level of a library file is reported, inside functions it is not", () => {
  assertEquals(fired("src/ops/x.ts", "await f();"), ["house/no-top-level-await"]);
  assertEquals(fired("src/ops/x.ts", "for await (const a of b) a();"), [
    "house/no-top-level-await",
  ]);
  assertEquals(fired("src/ops/x.ts", "const g = async () => { await f(); };"), []);
  assertEquals(fired("src/ops/x.ts", "class A { async f() { await 1; } }"), []);
});

Deno.test("a file longer than the limit is reported", () => {
  assertEquals(fired("src/ops/x.ts", "f();\n".repeat(LONGEST_FILE)), []);
  assertEquals(fired("src/ops/x.ts", "f();\n".repeat(LONGEST_FILE + 1)), ["house/file-length"]);
});

Deno.test("external packages enter through src/deps with exact versions", () => {
  assertEquals(importProblem("src/ops/x.ts", "../deps/tfjs.ts"), null);
  assertEquals(importProblem("src/deps/x.ts", "npm:@a/b@1.2.3"), null);
  assertEquals(importProblem("src/deps/x.ts", "npm:a@1.2.3/sub/path.js"), null);
  assertEquals(importProblem("src/deps/x.ts", "node:zlib"), null);
  for (
    const specifier of ["npm:a", "npm:a@^1.2.3", "npm:a@1", "jsr:@std/assert", "https://x.y/z.ts"]
  ) {
    assertEquals(typeof importProblem("src/deps/x.ts", specifier), "string", specifier);
  }
  for (const specifier of ["npm:a@1.2.3", "node:fs", "bare"]) {
    assertEquals(typeof importProblem("tests/x_test.ts", specifier), "string", specifier);
  }
});

Deno.test("dynamic imports of packages are seen as well", () => {
  const source = 'export /** x */ const a = 1;\nconst f = () => import("npm:a@1.2.3");\nf();';
  assertEquals(fired("tests/x_test.ts", source), ["house/external-imports"]);
});

Deno.test("an export without a comment is reported, re-exports and overloads are not", () => {
  assertEquals(fired("src/ops/x.ts", "export const a = 1;"), ["house/documented-exports"]);
  assertEquals(fired("src/ops/x.ts", "// no\nexport const a = 1;"), ["house/documented-exports"]);
  assertEquals(fired("src/ops/x.ts", "/** yes */\nexport const a = 1;"), []);
  assertEquals(fired("src/ops/x.ts", 'export { a } from "./a.ts";'), []);
  const overloads = "/** f */\nexport function f(a: 1): 1;\nexport function f(a: 2): 2;\n" +
    "export function f(a: number): number { return a; }";
  assertEquals(fired("src/ops/x.ts", overloads), []);
});

Deno.test("a tag behind something else on its line is reported, links and code are not", () => {
  const comment = (...lines: string[]) =>
    `/**\n${lines.map((line) => ` * ${line}\n`).join("")} */\n`;
  for (
    const crowded of [
      comment("@param a One. @param b Two."),
      comment("@param a One,", "  still one. @returns Two."),
      comment("Does it. @throws {Error} always"),
      "/** Does it. @param a One. */\n",
      "class A {\n  /** @param a One. @param b Two. */\n  constructor(readonly a: 1, readonly b: 2) {}\n}",
    ]
  ) {
    assertEquals(fired("src/ops/x.ts", crowded), ["house/one-tag-a-line"], crowded);
    assertEquals(fired("tests/x_test.ts", crowded), ["house/one-tag-a-line"], crowded);
  }
  for (
    const fine of [
      comment("Does it.", "", "@param a One,", "  see {@link f} and `@param`.", "@returns Two."),
      comment("@example", "```ts", "f(); // not a @param here", "```"),
      comment("Mail to ann@returns.example, package npm:@std/see @ 2."),
      "/** @param a One. */\n",
      "/* No JSDoc: a @param b */\n// nor this: a @param b\n",
      'const text = "/** a @param b */";\n',
    ]
  ) {
    assertEquals(fired("src/ops/x.ts", fine), [], fine);
  }
});

Deno.test("file names become paths from the repository root", () => {
  const root = new URL("../../", import.meta.url).pathname;
  assertEquals(pathInRepository(`${root}src/base/errors.ts`), "src/base/errors.ts");
  assertEquals(pathInRepository(`${root}mod.ts`), "mod.ts");
});
