/** An old Deno is refused with a sentence, before anything is loaded that could fail on it. */
import { selectBackend } from "../../src/backends/registry.ts";
import { BackendError } from "../../src/base/errors.ts";
import { denoVersionProblem, NEEDED_DENO } from "../../src/deps/deno_version.ts";
import { assertEquals, assertMatch, assertRejects } from "../../src/deps/std.ts";
import { ROOT } from "../../tools/repository.ts";
import { inFolder } from "../support/folders.ts";
import { runDeno } from "../support/run_deno.ts";

Deno.test("versions of Deno are compared number by number", () => {
  for (const old of ["1.46.3", "2.0.0", "2.9.5", "2.8.10", "2.9.5+abc"]) {
    assertMatch(
      denoVersionProblem(old) ?? "",
      new RegExp(`^Needs Deno 2.9.6 or newer, found`),
      old,
    );
  }
  for (const fits of ["2.9.6", "2.9.10", "2.10.0", "2.10.0-rc.1", "3.0.0", "2.9.6+abc"]) {
    assertEquals(denoVersionProblem(fits), null, fits);
  }
  assertEquals(denoVersionProblem(), null, "this Deno");
});

Deno.test("the needed version is the one that documents and CI name", () => {
  for (const path of ["README.md", "docs/install.md"]) {
    const named = [...Deno.readTextFileSync(ROOT + path).matchAll(/deno@([\d.]+\d)/g)];
    assertEquals([...new Set(named.map(([, version]) => version))], [NEEDED_DENO], path);
  }
  assertMatch(
    Deno.readTextFileSync(`${ROOT}.ci/run`),
    new RegExp(`^DENO_VERSION=${NEEDED_DENO}$`, "m"),
  );
});

/** Makes the Deno of a program, or of this process, look like version 2.4.0. */
const PRETEND =
  'Object.defineProperty(Deno, "version", { value: { deno: "2.4.0" }, configurable: true });';

Deno.test("on an old Deno the program loads nothing else, and says which one it needs", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/pretend.js`, PRETEND);
    // A copy of the two modules alone: a program that loads more before its check fails here.
    for (const path of ["src/cli/main.ts", "src/deps/deno_version.ts"]) {
      await Deno.mkdir(`${folder}/${path}`.replace(/\/[^/]+$/, ""), { recursive: true });
      await Deno.copyFile(ROOT + path, `${folder}/${path}`);
    }
    const args = ["--preload", `${folder}/pretend.js`, "src/cli/main.ts", "train"];
    const { code, stdout, stderr } = await runDeno(args, folder);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /^recvae: Needs Deno 2\.9\.6 or newer, found 2\.4\.0; upgrade with .*\n$/);
  });
});

Deno.test("on an old Deno selectBackend refuses with a BackendError", async () => {
  const { version } = Deno;
  try {
    Object.defineProperty(Deno, "version", { value: { deno: "2.4.0" }, configurable: true });
    await assertRejects(() => selectBackend("cpu"), BackendError, "Needs Deno 2.9.6");
  } finally {
    Object.defineProperty(Deno, "version", { value: version, configurable: true });
  }
});
