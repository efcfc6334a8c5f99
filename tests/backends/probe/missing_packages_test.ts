/** Engines whose packages are not on the machine: probes answer without downloading, and starting says what is missing. */
import { RESULT_MARK } from "../../../src/backends/probe_child.ts";
import { probeBackend } from "../../../src/backends/registry.ts";
import { dirname } from "../../../src/deps/node_path.ts";
import { assertEquals, assertStringIncludes } from "../../../src/deps/std.ts";
import { ROOT } from "../../../tools/repository.ts";
import { inFolder } from "../../support/folders.ts";
import { gpuTest } from "../../support/gpu.ts";
import { runDeno } from "../../support/run_deno.ts";

const CHILD = `${ROOT}src/backends/probe_child_main.ts`;
const PERMISSIONS = ["--allow-read", "--allow-env", "--allow-ffi", "--allow-sys"];

for (const [engine, detail] of [["tensorflow", "not installed"], ["cuda", "not installed"]]) {
  Deno.test(`with nothing in Deno's cache the probe of ${engine} answers, and fetches nothing`, async () => {
    await inFolder(async (empty) => {
      const { stdout, stderr } = await runDeno(
        ["--no-lock", "--cached-only", ...PERMISSIONS, CHILD, engine],
        ROOT,
        { DENO_DIR: empty },
      );
      assertStringIncludes(stdout, RESULT_MARK, stderr);
      const found = JSON.parse(stdout.slice(stdout.indexOf(RESULT_MARK) + RESULT_MARK.length));
      assertEquals([found.available, found.detail], [false, detail]);
    });
  });
}

Deno.test({
  name: "native TensorFlow is not looked for in the process itself, which could download it",
  permissions: { read: true, ffi: true, env: true, run: false },
  async fn() {
    const { available, detail, hint } = await probeBackend("tensorflow");
    assertEquals([available, detail], [false, "not looked for"]);
    assertStringIncludes(hint ?? "", "--allow-run");
  },
});

gpuTest(
  "without its package the webgpu engine says how to get it, and leaves the lock file alone",
  async () => {
    await inFolder(async (folder) => {
      await copyLockedPackages(`${folder}/cache`);
      const registry = new URL("../../../src/backends/registry.ts", import.meta.url).href;
      await Deno.writeTextFile(
        `${folder}/start.ts`,
        `import { selectBackend } from ${JSON.stringify(registry)};
      await selectBackend("webgpu").catch(({ name, message }) => console.log(name, message));`,
      );
      await Deno.copyFile(`${ROOT}deno.lock`, `${folder}/deno.lock`);
      const { stdout, stderr } = await runDeno(
        ["--cached-only", `--lock=${folder}/deno.lock`, `${folder}/start.ts`],
        folder,
        { DENO_DIR: `${folder}/cache` },
      );
      assertStringIncludes(
        stdout,
        "BackendError Cannot start engine webgpu: found no npm:@tensorflow/tfjs-backend-webgpu@",
        stderr,
      );
      assertStringIncludes(stdout, "choose --backend wasm");
      assertEquals(
        await Deno.readTextFile(`${folder}/deno.lock`),
        await Deno.readTextFile(`${ROOT}deno.lock`),
      );
    });
  },
);

/** A cache for Deno with copies of the packages that the lock file names. */
async function copyLockedPackages(cache: string): Promise<void> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  const { npm } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.lock`));
  for (const { name: host } of Deno.readDirSync(npmCache)) {
    for (const entry of Object.keys(npm)) {
      const path = `npm/${host}/${entry.slice(0, entry.indexOf("@", 1))}`;
      await Deno.mkdir(dirname(`${cache}/${path}`), { recursive: true });
      await new Deno.Command("cp", {
        args: ["-r", `${dirname(npmCache)}/${path}`, `${cache}/${path}`],
        stderr: "null", // another host's folder has not every package
      }).output();
    }
  }
}
