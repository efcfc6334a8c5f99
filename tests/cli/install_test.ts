/**
 * The program as users install it: the commands of docs/install.md, into a folder for the test, and then run from
 * another folder with exactly the permissions that they grant.
 */
import { dirname } from "../../src/deps/node_path.ts";
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { ROOT } from "../../tools/repository.ts";
import { inFolder } from "../support/folders.ts";
import { shellEnvironment } from "../support/shell_environment.ts";
import { serveRepository } from "../support/repository_server.ts";

/** The line of the document that installs from a copy, and the one that installs from a server. */
const [FROM_COPY, FROM_SERVER] = Deno.readTextFileSync(`${ROOT}docs/install.md`).split("\n")
  .filter((line) => line.startsWith("deno install "));

/** The installed command starts `deno` by its name. */
const PATH = `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(program: string, args: readonly string[], cwd: string): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    clearEnv: true,
    env: { ...shellEnvironment(), NO_COLOR: "1", DENO_NO_PROMPT: "1", PATH },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Installs by a line of the document and gives the command's path. */
async function install(line: string, root: string): Promise<string> {
  const args = line.split(" ").slice(1);
  const { code, stdout, stderr } = await run(Deno.execPath(), [...args, "--root", root], ROOT);
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
  return `${root}/bin/recvae`;
}

const SHORT = ["--epochs", "1", "--backend", "wasm"];

Deno.test("installed from a copy, recvae trains on the shipped runs and writes where the user stands", async () => {
  await inFolder(async (folder) => {
    const recvae = await install(FROM_COPY, `${folder}/root`);
    const stand = `${folder}/some where`;
    await Deno.mkdir(stand);
    const help = await run(recvae, ["--help"], stand);
    assertEquals([help.code, help.stderr], [0, ""]);
    assertStringIncludes(help.stdout, "recvae COMMAND");
    const trained = await run(recvae, ["train", ...SHORT, "--out", "first"], stand);
    assertEquals(trained.code, 0, trained.stderr);
    assertEquals([...Deno.readDirSync(stand)].map(({ name }) => name), ["first"]);
    assert(Deno.statSync(`${stand}/first/weights.safetensors`).isFile);
    const outside = await run(recvae, ["train", ...SHORT, "--out", "../no"], stand);
    assertEquals(outside.code, 3);
  });
});

Deno.test("installed from a server, recvae trains and writes where the user stands", async () => {
  await using server = serveRepository();
  await inFolder(async (folder) => {
    const line = FROM_SERVER.replace("https://HOST", "http://HOST");
    const recvae = await install(line.replaceAll("HOST", server.address), `${folder}/root`);
    const stand = `${folder}/some where`;
    await Deno.mkdir(stand);
    const made = ["--synthetic", "--subjects", "4", "--spatial", "9,8,11", "--tol-time", "4"];
    const trained = await run(
      recvae,
      ["train", ...made, ...SHORT, "--out", "first"],
      stand,
    );
    assertEquals(trained.code, 0, trained.stderr);
    assertEquals([...Deno.readDirSync(stand)].map(({ name }) => name), ["first"]);
  });
});

Deno.test("deno task works from another folder: paths and the permission to write are of that folder", async () => {
  await inFolder(async (folder) => {
    const scans = `${folder}/my scans`;
    await Deno.mkdir(scans);
    for (const run of ["01", "02"]) {
      const name = `sub-1_task-objectviewing_run-${run}_bold.nii.gz`;
      await Deno.copyFile(`${ROOT}data/haxby2001/${name}`, `${scans}/${name}`);
    }
    const task = ["task", "--quiet", "--config", `${ROOT}deno.json`];
    const given = await run(
      Deno.execPath(),
      [...task, "recvae", "train", "--data", ".", ...SHORT, "--out", "out"],
      scans,
    );
    assertEquals(given.code, 0, given.stderr);
    assert(Deno.statSync(`${scans}/out/weights.safetensors`).isFile);
    const wrong = await run(Deno.execPath(), [...task, "recvae", "trian"], scans);
    assertEquals(wrong.code, 2, "the program's exit code is the task's");

    const shipped = await run(
      Deno.execPath(),
      [...task, "train", ...SHORT, "--out", "runs/b"],
      scans,
    );
    assertEquals(shipped.code, 0, shipped.stderr);
    assert(Deno.statSync(`${scans}/runs/b/weights.safetensors`).isFile);
  });
});
