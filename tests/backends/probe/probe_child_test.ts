/** Probing in a child process: whatever the child does, the program gets an answer in time. */
import type { ProbeResult } from "../../../src/backends/engine.ts";
import { probeInChild } from "../../../src/backends/probe_child.ts";
import { assertEquals, assertLess, assertMatch } from "../../../src/deps/std.ts";

function probe(behaviour: string, limitMs = 20_000): Promise<ProbeResult> {
  return probeInChild("webgpu", {
    permissions: ["--allow-run"],
    inProcess: () => Promise.reject(new Error("the child should have been used")),
    limitMs,
    childModule: new URL(`./children.ts?behave=${behaviour}`, import.meta.url).href,
  });
}

Deno.test("a probing child's answer is found among other output", async () => {
  assertEquals((await probe("answer")).detail, "a fine GPU");
});

Deno.test("a child that crashes makes the engine unavailable, with the signal", async () => {
  const { available, detail } = await probe("crash");
  assertEquals(available, false);
  assertMatch(detail, /crashed \(SIGABRT\)/);
});

Deno.test("a child that hangs is stopped at the limit", async () => {
  const before = performance.now();
  const { available, detail } = await probe("hang", 1500);
  assertEquals(available, false);
  assertMatch(detail, /no answer within 1.5 s/);
  assertLess(performance.now() - before, 10_000);
});

Deno.test("a child that throws gives its message as the hint", async () => {
  const { available, hint } = await probe("throw");
  assertEquals(available, false);
  assertMatch(hint ?? "", /the driver is too old/);
});

Deno.test({
  name: "without permission to run programs the probe stays in the process",
  permissions: { run: false, env: true },
  async fn() {
    const here: ProbeResult = {
      name: "webgpu",
      available: false,
      automatic: false,
      detail: "here",
    };
    const found = await probeInChild("webgpu", {
      permissions: [],
      inProcess: () => Promise.resolve(here),
    });
    assertEquals(found, here);
  },
});
