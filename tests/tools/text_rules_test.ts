/** The text rules: each finds what it names and leaves ordinary prose alone. */
import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { LOCK_RULES, TEXT_RULES, textProblems } from "../../tools/text_rules.ts";

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
  const [problem] = textProblems("docs/a.md", "fine\nsee /root/x", TEXT_RULES);
  assertStringIncludes(problem, "docs/a.md:2: absolute path");
});

Deno.test("addresses in the lock file are found", () => {
  const lock = '{"npm": {"a@1.0.0": {"integrity": "sha512-x"}}}';
  assertEquals(textProblems("deno.lock", lock, LOCK_RULES), []);
  const withAddress = '{"tarball": "https://example.org/a.tgz"}';
  assertEquals(textProblems("deno.lock", withAddress, LOCK_RULES).length, 1);
});
