/** How the engine behaves as part of a program: permissions, exit, idle processor time. */
import { assert, assertEquals, assertLess } from "../../../src/deps/std.ts";

const ROOT = new URL("../../../", import.meta.url);

/** A program that uses the engine with workers and ends without stopping it. */
function program(root: string): string {
  return `
import { engine } from "${root}src/backends/wasm/mod.ts";
import { tf } from "${root}src/deps/tfjs.ts";
const active = await engine.start({ threads: 3 });
const x = tf.ones([500, 400]);
const work = () => tf.tidy(() => tf.sum(tf.exp(tf.matMul(x, x, true))).dataSync()[0]);
for (let i = 0; i < 20; i++) { work(); await new Promise((done) => setTimeout(done, 10)); }
const { default: process } = await import("node:process");
const before = process.cpuUsage();
await new Promise((done) => setTimeout(done, 1000));
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ threads: active.threads, idleMs: (user + system) / 1000 }));`;
}

/** Runs `source` in a process of its own that may ask nobody for anything. */
async function run(source: string, flags: readonly string[] = []) {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/program.ts`;
    await Deno.writeTextFile(file, source);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", "--no-prompt", "--no-lock", ...flags, file],
      stdin: "null",
      signal: AbortSignal.timeout(60_000),
    });
    const { code, stdout, stderr } = await command.output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("wasm engine: needs no permission, sleeps when idle, and does not keep the process alive", async () => {
  const { code, stdout, stderr } = await run(program(ROOT.href));
  assertEquals(code, 0, stderr);
  const { threads, idleMs } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  assertEquals(threads, 3);
  assertLess(idleMs, 200, "three threads that spin would use 1000 to 3000 ms in this second");
});

Deno.test("wasm engine: starts from an http address, with no import map and no permission", async () => {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, serveFile);
  const host = `127.0.0.1:${server.addr.port}`;
  try {
    const { code, stdout, stderr } = await run(program(`http://${host}/`), [
      `--allow-import=${host}`,
    ]);
    assertEquals(code, 0, stderr);
    assert(stdout.includes('"threads":3'), stdout);
  } finally {
    await server.shutdown();
  }
});

async function serveFile(request: Request): Promise<Response> {
  const path = new URL("." + new URL(request.url).pathname, ROOT);
  const types: Record<string, string> = {
    ts: "application/typescript",
    js: "text/javascript",
    wasm: "application/wasm",
  };
  try {
    const bytes = await Deno.readFile(path);
    const type = types[path.pathname.split(".").at(-1)!];
    return new Response(bytes, { headers: { "content-type": type } });
  } catch {
    return new Response("not found", { status: 404 });
  }
}
