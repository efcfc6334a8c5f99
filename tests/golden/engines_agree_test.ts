/**
 * The same three epochs of training on every engine of this machine give the same losses and the same F; by day on those that
 * need neither GPU nor native library.
 */
import { NIGHTLY } from "../support/nightly.ts";
import { LOSS_TOLERANCE, TRANSITION_TOLERANCE } from "../../bench/training_agreement.ts";
import { assert, assertArrayIncludes, assertEquals, assertLess } from "../../src/deps/std.ts";

interface ComparedEngine {
  readonly backend: string;
  readonly losses: readonly number[];
  readonly transition: readonly number[];
  readonly difference: { readonly worstLoss: number; readonly worstTransition: number };
}

Deno.test("three epochs of training agree between all engines of this machine", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "-A",
      new URL("../../bench/compare_backends.ts", import.meta.url).href,
      "--json",
      ...(NIGHTLY ? [] : ["--backends", "reference,cpu,wasm"]),
    ],
  }).output();
  const skipped = new TextDecoder().decode(stderr);
  for (const line of skipped.split("\n")) if (line.startsWith("SKIPPED")) console.log(line);
  assertEquals(code, 0, skipped);
  const engines: ComparedEngine[] = JSON.parse(new TextDecoder().decode(stdout));
  assertArrayIncludes(engines.map(({ backend }) => backend), ["reference", "cpu", "wasm"]);
  for (const { backend, losses, transition, difference } of engines) {
    assertEquals(losses.length, 3);
    assertLess(losses[2], losses[0], `${backend} learns`);
    assertEquals(transition.length, 100);
    assert(difference.worstLoss <= LOSS_TOLERANCE, `${backend}: loss ${difference.worstLoss}`);
    assert(
      difference.worstTransition <= TRANSITION_TOLERANCE,
      `${backend}: F ${difference.worstTransition}`,
    );
  }
});
