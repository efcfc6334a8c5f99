/** The text rules: each finds what it names and leaves ordinary prose alone. */
import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import {
  citationProblems,
  LOCK_RULES,
  numberedSections,
  TEXT_RULES,
  textProblems,
} from "../../tools/text_rules.ts";

function found(text: string): number {
  return textProblems("a.md", text, TEXT_RULES).length;
}

Deno.test("paths of one machine are found, relative paths and URLs are not", () => {
  assertEquals(found("see /home/ann/data"), 1);
  assertEquals(found('open("/tmp/x")'), 1);
  assertEquals(found("C:\\Users\\ann"), 1);
  assertEquals(found("see docs/home/ann and ./tmp/x and $TMPDIR/tmp/x"), 0);
  assertEquals(found("https://example.org/home/ann"), 0);
});

Deno.test("registry hosts are found, package names are not", () => {
  assertEquals(found("from registry.npmjs.org"), 1);
  assertEquals(found("https://jsr.io/@std/assert"), 1);
  assertEquals(found("npm:@tensorflow/tfjs@4.22.0"), 0);
});

Deno.test("a finding names the file, the line and the rule", () => {
  const path = ["", "root", "x"].join("/");
  const [problem] = textProblems("docs/a.md", `fine\nsee ${path}`, TEXT_RULES);
  assertStringIncludes(problem, "docs/a.md:2: absolute path");
});

Deno.test("addresses in the lock file are found", () => {
  const lock = '{"npm": {"a@1.0.0": {"integrity": "sha512-x"}}}';
  assertEquals(textProblems("deno.lock", lock, LOCK_RULES), []);
  const withAddress = '{"tarball": "https://example.org/a.tgz"}';
  assertEquals(textProblems("deno.lock", withAddress, LOCK_RULES).length, 1);
});

Deno.test("citations of a document outside the repository are found, other specifications are not", () => {
  assertEquals(found("the way back (spec 3.2)"), 1);
  assertEquals(found("Source: spec sections 3.1, 3.2"), 1);
  assertEquals(found("Spec Appendix A"), 1);
  assertEquals(found("as the specification's section 4 says, specification 11"), 1);
  assertEquals(found("https://git-lfs.github.com/spec/v1 and the JSON specification"), 0);
  assertEquals(found("inspect 3 files; the aspect 2:1"), 0);
});

Deno.test("the numbers of a page's headings are its sections", () => {
  const page = "# A page\n## 3. Model\n### 3.2 Layers\n## Appendix A. Random\n## A house\n4. item";
  assertEquals([...numberedSections(page)], ["3", "3.2", "A"]);
});

Deno.test("a citation must name a model's page and a section that it has", () => {
  const pages = new Map([["two-words", new Set(["3", "3.2", "A"])]]);
  const problems = (text: string) => citationProblems("src/a.ts", text, pages);
  assertEquals(
    problems("[two-words §3.2], [two-words §3, §A], [two-words §3.2 step 4, words]"),
    [],
  );
  assertEquals(problems("no citation: [two-words](a.md), [§3], a[i §3"), []);
  assertEquals(problems("fine\n * [two-words §3, §4]"), [
    'src/a.ts:2: "[two-words §3, §4]": docs/models/two_words.md has no section 4',
  ]);
  assertEquals(problems("[two-words §3.20]").length, 1);
  assertEquals(problems("[two-words §B]").length, 1);
  assertEquals(problems("[two-words\n * §9]").length, 1);
  assertEquals(problems("[other §3]"), [
    'src/a.ts:1: "[other §3]": there is no docs/models/other.md',
  ]);
  assertEquals(problems("[two-words §Appendix A]"), [
    'src/a.ts:1: "[two-words §Appendix A]": § needs the number of a section',
  ]);
});
