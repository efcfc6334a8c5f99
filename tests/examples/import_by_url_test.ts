/**
 * The library imported from another project by URL: the repository is served over http on localhost, and a script
 * in an empty folder imports mod.ts from there, without import map, configuration or any other permission.
 */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { serveRepository } from "../support/repository_server.ts";
import { runDeno } from "../support/run_deno.ts";

/** Files of the importing project are its own: no configuration of ours, no lock file. */
const ALONE = ["--no-config", "--no-lock"];

/** Ten lines of somebody else's program. */
const script = (address: string) => `
import { buildDataLoader, fit, RecurrentVae, selectBackend, syntheticCohort } from "http://${address}/mod.ts";

const engine = await selectBackend(Deno.args[0]);
const cohort = syntheticCohort({ nCn: 2, nAd: 2, spatialShape: [9, 8, 11], frames: 6 });
const loader = await buildDataLoader(cohort);
const { spatialShape, subjects } = loader;
const model = new RecurrentVae({ spatialShape, tolTime: 6, lambdaZ: 0.1 }, { subjects });
const { trainLossHistory, allHHistory } = await fit(model, loader, { optimiser: "adamw", learningRate: 1e-2, epochs: 4 });
console.log(JSON.stringify({ engine: engine.name, losses: trainLossHistory, states: allHHistory.shape }));
`;

interface Printed {
  readonly engine: string;
  readonly losses: readonly number[];
  readonly states: readonly number[];
}

async function trainFrom(address: string, backend: string, folder: string): Promise<Printed> {
  const flags = [...ALONE, `--allow-import=${address}`];
  const { code, stdout, stderr } = await runDeno([...flags, "train.ts", backend], folder);
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("ten lines that import mod.ts by URL train alike on cpu and wasm, with no other permission", async () => {
  await using server = serveRepository();
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/train.ts`, script(server.address));
    const cpu = await trainFrom(server.address, "cpu", folder);
    const wasm = await trainFrom(server.address, "wasm", folder);

    assertEquals([cpu.engine, wasm.engine], ["cpu", "wasm"]);
    assertEquals(cpu.states, [4, 6, 10]);
    assertEquals(wasm.states, [4, 6, 10]);
    assertLess(cpu.losses[3], 0.9 * cpu.losses[0]);
    cpu.losses.forEach((loss, i) => assertAlmostEquals(wasm.losses[i] / loss, 1, 1e-5));

    assert([...server.asked].some((path) => path.endsWith(".wasm")), "kernels come by URL too");
  });
});

Deno.test("a program may import mod.ts by URL without computing, and prints nothing", async () => {
  await using server = serveRepository();
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/import.ts`, `import "http://${server.address}/mod.ts";`);
    const flags = [
      ...ALONE,
      `--allow-import=${server.address}`,
      `--reload=http://${server.address}/`,
    ];
    const { code, stdout, stderr } = await runDeno([...flags, "import.ts"], folder);
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
  });
});

Deno.test("the program runs by URL: help without permission, training where it may write", async () => {
  await using server = serveRepository();
  await inFolder(async (folder) => {
    const main = `http://${server.address}/src/cli/main.ts`;
    const flags = [
      ...ALONE,
      `--allow-import=${server.address}`,
      `--reload=http://${server.address}/`,
    ];
    for (const args of [["--help"], ["train", "--help"], ["--version"]]) {
      const { code, stdout, stderr } = await runDeno([...flags, main, ...args], folder);
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, "recvae");
    }

    const synthetic = ["--synthetic", "--subjects", "4", "--spatial", "9,8,11", "--tol-time", "6"];
    const short = ["--epochs", "2", "--out", "run", "--backend", "wasm", "--quiet"];
    const files = ["--allow-read=.", "--allow-write=."];
    const trained = await runDeno(
      [...flags, ...files, main, "train", ...synthetic, ...short],
      folder,
    );
    assertEquals(trained.code, 0, trained.stderr);
    assert(Deno.statSync(`${folder}/run/weights.safetensors`).size > 1000);

    const shipped = await runDeno([...flags, ...files, main, "train", "--out", "second"], folder);
    assertEquals(shipped.code, 2, shipped.stderr);
    assertStringIncludes(shipped.stderr, "--synthetic");
  });
});
