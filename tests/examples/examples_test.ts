/**
 * The examples run, from disk and imported by URL: the repository is served over http on localhost, and a script
 * in an empty folder imports mod.ts from there, without an import map or a configuration file.
 */
import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";

const ROOT = new URL("../../", import.meta.url);

const TYPES: Record<string, string> = {
  ts: "application/typescript",
  js: "text/javascript",
  wasm: "application/wasm",
  json: "application/json",
};

/** Serves the repository's files on a free port of localhost. */
function serveRepository() {
  const asked: string[] = [];
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      try {
        const body = await Deno.readFile(new URL(`.${pathname}`, ROOT));
        const type = TYPES[pathname.split(".").at(-1)!] ?? "application/octet-stream";
        return new Response(body, { headers: { "content-type": type } });
      } catch {
        return new Response("not found", { status: 404 });
      }
    },
  );
  return { port: server.addr.port, asked, stop: () => server.shutdown() };
}

async function run(args: readonly string[], cwd: string | URL) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", ...args],
    cwd,
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("the quick start runs from disk without any permission", async () => {
  const { code, stdout, stderr } = await run(["examples/quick_start.ts"], ROOT);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "latent states of the first subject: [1,12,10]");
});

Deno.test("the quick start runs with mod.ts imported by URL, without an import map", async () => {
  const server = serveRepository();
  try {
    await inFolder(async (folder) => {
      const address = `127.0.0.1:${server.port}`;
      const example = await Deno.readTextFile(new URL("examples/quick_start.ts", ROOT));
      await Deno.writeTextFile(
        `${folder}/quick_start.ts`,
        example.replace('"../mod.ts"', `"http://${address}/mod.ts"`),
      );
      const flags = ["--no-config", "--no-lock", `--allow-import=${address}`];
      const { code, stdout, stderr } = await run([...flags, "quick_start.ts"], folder);
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, "latent states of the first subject: [1,12,10]");
    });
    assertEquals(server.asked.includes("/mod.ts"), true);
    assertEquals(
      server.asked.some((path) => path.endsWith(".wasm")),
      true,
      "kernels come by URL too",
    );
  } finally {
    await server.stop();
  }
});

Deno.test("importing mod.ts needs no permission and prints nothing", async () => {
  const { code, stdout, stderr } = await run(["mod.ts"], ROOT);
  assertEquals([code, stdout, stderr], [0, "", ""]);
});

Deno.test("the example with scans trains on the shipped runs and saves weights", async () => {
  await inFolder(async (folder) => {
    const example = new URL("examples/own_scans.ts", ROOT).pathname;
    const { code, stdout, stderr } = await run(
      ["--allow-read", "--allow-write=out", example],
      folder,
    );
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "[epoch 10/10]");
    assertStringIncludes(stdout, "held-out mean squared error");
    assertEquals((await Deno.stat(`${folder}/out/weights.safetensors`)).isFile, true);
  });
});
