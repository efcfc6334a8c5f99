import type { BackendChoice, Engine, ProbeResult } from "../../src/backends/engine.ts";
import { probeEngine } from "../../src/backends/probing.ts";
import { BACKEND_NAMES, probeBackends, selectBackend } from "../../src/backends/registry.ts";
import { currentEngine } from "../../src/backends/current_engine.ts";
import { ConfigError } from "../../src/base/errors.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";

Deno.test("an engine asked for by name becomes current, and calls go to it", async () => {
  const cpu = await selectBackend("cpu");
  assertEquals([cpu.name, tf.getBackend()], ["cpu", "cpu"]);
  assertStrictEquals(currentEngine(), cpu);
  const reference = await selectBackend("reference");
  assertStrictEquals(currentEngine(), reference);
  assertEquals(tf.getBackend(), reference.tfName);
  assertStrictEquals(await selectBackend("cpu"), cpu, "a running engine is not started again");
});

Deno.test("a stopped engine is no longer current and can be started again", async () => {
  const engine = await selectBackend("reference");
  await engine.stop();
  assertEquals(currentEngine(), undefined);
  const again = await selectBackend("reference");
  assertEquals(tf.getBackend(), again.tfName);
  tf.tidy(() => assertEquals([...tf.add(tf.ones([2]), 1).dataSync()], [2, 2]));
});

Deno.test("an unknown engine is refused with the names that exist", async () => {
  const error = await assertRejects(
    () => selectBackend("gpu" as BackendChoice),
    ConfigError,
    'found "gpu"',
  );
  assertStringIncludes(error.message, "auto, cuda, tensorflow, webgpu, wasm, cpu, reference");
  assertEquals(error.field, "backend");
});

Deno.test("every engine is probed, in order, whether it can run or not", async () => {
  const probes = await probeBackends();
  assertEquals(probes.map(({ name }) => name), [...BACKEND_NAMES]);
  for (const probe of probes) {
    assert(probe.detail.length > 0);
    assert(probe.available || probe.hint, `${probe.name} is unavailable without saying why`);
  }
  const byName = (name: string) => probes.find((probe) => probe.name === name)!;
  assert(byName("cpu").available && byName("cpu").automatic);
  assert(byName("reference").available && !byName("reference").automatic);
});

Deno.test("a probe that is missing, fails or hangs is a report, not an accident", async () => {
  const answering: Engine = {
    name: "cpu",
    probe: () =>
      Promise.resolve<ProbeResult>({
        name: "cpu",
        available: true,
        automatic: true,
        detail: "fine",
      }),
    start: () => Promise.reject(new Error("not asked")),
  };
  const probe = (load: () => Promise<Engine>) => probeEngine("cpu", load, { limitMs: 30 });
  assert((await probe(() => Promise.resolve(answering))).available);

  const missing = await probe(() => Promise.reject(new TypeError("Module not found")));
  assertEquals([missing.available, missing.hint], [false, "Module not found"]);

  const failing = { ...answering, probe: () => Promise.reject(new Error("driver broken")) };
  assertEquals((await probe(() => Promise.resolve(failing))).hint, "driver broken");

  const throwing = {
    ...answering,
    probe() {
      throw new Error("threw");
    },
  };
  assertEquals((await probe(() => Promise.resolve(throwing))).hint, "threw");

  const hanging = { ...answering, probe: () => new Promise<never>(() => {}) };
  const hung = await probe(() => Promise.resolve(hanging));
  assertEquals(hung.hint, "the probe gave no answer within 0.03 s");
});

Deno.test("the registry imports and the cpu engine runs without permissions and without a banner", async () => {
  const url = new URL("../../src/backends/", import.meta.url);
  const program = `
    import { selectBackend } from "${url}registry.ts";
    import { tf } from "${url}../deps/tfjs.ts";
    await selectBackend("cpu");
    console.log([...tf.add(tf.ones([2]), 1).dataSync()].join());
  `;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--no-lock", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { stdout, stderr } = await process.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(decode(stdout), "2,2\n", decode(stderr));
  assert(!decode(stderr).includes("speed things up"), decode(stderr));
});

Deno.test("a wrong option does not cost the engine that runs", async () => {
  const engine = await selectBackend("cpu");
  await assertRejects(() => selectBackend("cpu", { threads: 0 }), ConfigError, "threads is 0");
  assertStrictEquals(await selectBackend("cpu"), engine);
});
