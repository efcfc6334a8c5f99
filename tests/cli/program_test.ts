/** The program from outside: help, exit codes, one-line messages, no partial output. */
import { allCommands } from "../../src/cli/commands.ts";
import { VERSION } from "../../src/base/version.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { recvae, recvaeAllowed } from "./run_recvae.ts";

const STATE = new URL("../golden/fixtures/recvae/small_state.pt", import.meta.url).pathname;

Deno.test("--help lists every command and each command's help ends with examples", async () => {
  const { code, stdout } = await recvae("--help");
  assertEquals(code, 0);
  for (const { name } of allCommands()) assertStringIncludes(stdout, `  ${name} `);
  for (const { name, examples } of allCommands()) {
    const help = await recvae(name, "--help");
    assertEquals(help.code, 0, name);
    assert(examples.length > 0, `${name} has examples`);
    for (const { line } of examples) assertStringIncludes(help.stdout, line);
  }
});

Deno.test("--version prints the version of deno.json", async () => {
  const config = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assertEquals(config.version, VERSION);
  assertEquals((await recvae("--version")).stdout.trim(), `recvae ${VERSION}`);
});

Deno.test("a wrong command line exits with 2 and suggests the nearest name", async () => {
  const command = await recvae("trian");
  assertEquals(command.code, 2);
  assertStringIncludes(command.stderr, 'did you mean "train"');
  const option = await recvae("backends", "--jsno");
  assertEquals(option.code, 2);
  assertStringIncludes(option.stderr, "did you mean --json");
  const early = await recvae("--threads", "2");
  assertStringIncludes(early.stderr, "Found the option --threads before a command, needs one of");
  const nobody = await recvae("synthesize", "--cn", "0", "--ad", "0", "--out", "never-made");
  assertEquals([nobody.code, nobody.stderr.includes("--cn is 0 and --ad too")], [2, true]);
  const second = await recvae("inspect");
  assertStringIncludes(second.stderr, "takes 1 argument beside");
  assertEquals((await recvae()).code, 2);
  assertEquals((await recvae("convert", "only-one.pt")).code, 2);
});

Deno.test("a missing input exits with 3, one line and no stack", async () => {
  const { code, stderr } = await recvae("convert", "missing.pt", "out.safetensors");
  assertEquals(code, 3);
  assertEquals(stderr.trim().split("\n").length, 1);
  assertStringIncludes(stderr, "missing.pt");
  const debug = await recvae("convert", "missing.pt", "out.safetensors", "--debug");
  assertStringIncludes(debug.stderr, "convert.ts");
});

Deno.test("a missing permission exits with 3 and names the flag that gives it", async () => {
  const read = await recvaeAllowed([], "inspect", STATE);
  assertEquals(read.code, 3);
  assertStringIncludes(read.stderr, `--allow-read=${STATE.slice(0, STATE.lastIndexOf("/"))} `);
  const write = await recvaeAllowed(["--allow-read"], "convert", STATE, "out.safetensors");
  assertEquals(write.code, 3);
  assertStringIncludes(write.stderr, "--allow-write=. ");
  assertEquals((await recvaeAllowed([], "--help")).code, 0, "help needs no permission");
});

Deno.test("backends names every engine and what auto takes", async () => {
  const { code, stdout } = await recvae("backends", "--json");
  assertEquals(code, 0);
  const { automatic, engines } = JSON.parse(stdout);
  const names = engines.map(({ name }: { name: string }) => name);
  assertEquals(names, ["cuda", "tensorflow", "webgpu", "wasm", "cpu", "reference"]);
  assert(names.includes(automatic));
});

Deno.test("convert writes what PyTorch saved, and nothing when the input is broken", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/weights.safetensors`;
    assertEquals((await recvae("convert", STATE, out)).code, 0);
    const { tensors } = readSafetensors(await Deno.readFile(out));
    assertEquals(tensors.size, 62);
    assertEquals(tensors.get("encoder1.0.weight")!.shape, [4, 1, 4, 4, 4]);
    assertEquals((await recvae("convert", STATE, out)).code, 2, "an existing file is kept");
    assertEquals((await recvae("convert", STATE, out, "--force")).code, 0);

    const bytes = await Deno.readFile(STATE);
    await Deno.writeFile(`${folder}/broken.pt`, bytes.subarray(0, bytes.length / 2));
    const broken = await recvae("convert", `${folder}/broken.pt`, `${folder}/broken.safetensors`);
    assertEquals(broken.code, 3);
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(left, ["broken.pt", "weights.safetensors"]);
  });
});
