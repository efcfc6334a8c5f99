import { chooseThreads } from "../../../src/backends/wasm/threads.ts";
import { ConfigError } from "../../../src/base/errors.ts";
import { assertEquals, assertThrows } from "../../../src/deps/std.ts";

function withVariable(value: string, body: () => void): void {
  const before = Deno.env.get("RECVAE_THREADS");
  Deno.env.set("RECVAE_THREADS", value);
  try {
    body();
  } finally {
    if (before === undefined) Deno.env.delete("RECVAE_THREADS");
    else Deno.env.set("RECVAE_THREADS", before);
  }
}

Deno.test("threads: an explicit number wins over RECVAE_THREADS, which wins over the cores", () => {
  withVariable("3", () => {
    assertEquals(chooseThreads(5), 5);
    assertEquals(chooseThreads(undefined), 3);
  });
  withVariable("", () => assertEquals(chooseThreads(undefined), navigator.hardwareConcurrency));
});

Deno.test("threads: a bad RECVAE_THREADS is refused by name", () => {
  for (const value of ["0", "two", "1.5", "-4", "100000", "0x2", " 2", "1e1"]) {
    withVariable(value, () => {
      const error = assertThrows(() => chooseThreads(undefined), ConfigError);
      assertEquals(error.field, "RECVAE_THREADS");
    });
  }
});

Deno.test({
  name: "threads: without permission the variable is not read, and nobody is asked",
  permissions: { env: false },
  fn: () => assertEquals(chooseThreads(undefined), navigator.hardwareConcurrency),
});
