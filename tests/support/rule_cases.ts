/** Each rule of a reader's list must refuse something: one test per rule, named after it. */
import { FormatError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertInstanceOf } from "../../src/deps/std.ts";

/** Rule → files that break it and nothing earlier. */
export type RuleCases = Readonly<Record<string, readonly Uint8Array[]>>;

/**
 * Registers a test per rule, and one that no rule of the list is left out.
 *
 * @param rules The reader's list.
 * @param cases Files per rule.
 * @param read The reader.
 */
export function testRules(
  rules: Readonly<Record<string, string>>,
  cases: RuleCases,
  read: (bytes: Uint8Array) => unknown,
): void {
  const family = Object.keys(rules)[0].split(".")[0];
  Deno.test(`${family}: every rule has a rejecting test`, () => {
    assertEquals(Object.keys(cases).sort(), Object.keys(rules).sort());
  });
  for (const [rule, files] of Object.entries(cases)) {
    Deno.test(`${rule}: refused unless it has ${rules[rule]}`, async () => {
      assert(files.length > 0);
      for (const [i, bytes] of files.entries()) {
        const fault = await faultOf(() => read(bytes));
        assertInstanceOf(fault, FormatError, `case ${i} was accepted`);
        assertEquals(fault.rule, rule, `case ${i}: ${fault.message}`);
        assert(fault.message.includes(rules[rule]) && fault.message.includes(fault.source));
      }
    });
  }
}

/** What `body` throws, or undefined. */
export async function faultOf(body: () => unknown): Promise<unknown> {
  try {
    await body();
  } catch (fault) {
    return fault;
  }
}
