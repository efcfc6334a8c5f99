/** Sequence models through the real program, on tables of a made-up population. */
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../src/deps/std.ts";
import { checkpointIn } from "../support/checkpoints.ts";
import { inFolder } from "../support/folders.ts";
import { recvaeInProcess } from "../support/recvae_in_process.ts";

const PROGRAM = new URL("../../src/cli/main.ts", import.meta.url).pathname;
const ENGINE = ["--backend", "wasm", "--threads", "1"];
const SMALL = ["--tr", "2", "--embedding-dim", "16", "--epochs", "4", "--length", "20", "--quiet"];

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await recvaeInProcess(args);
  assertEquals(code, 0, stderr);
  return stdout;
}

async function refused(...args: string[]): Promise<string> {
  const { code, stderr } = await recvaeInProcess(args);
  assertEquals(code, 2, stderr);
  return stderr;
}

/** Four subjects, 60 volumes of 5 parcels: every parcel an oscillation of its own with noise. */
async function withTables(body: (folder: string, tables: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/tables`);
    for (let subject = 1; subject <= 4; subject++) {
      const random = RandomStream.fromSeed(subject);
      const parcels = Array.from({ length: 5 }, (_, n) => {
        const values = [1, 0];
        while (values.length < 60) {
          values.push(
            1.7 * values.at(-1)! - (0.8 + n / 100) * values.at(-2)! + 0.2 * random.normal(),
          );
        }
        return values;
      });
      const lines = Array.from({ length: 60 }, (_, t) => parcels.map((x) => x[t]).join("\t"));
      Deno.writeTextFileSync(`${folder}/tables/sub-0${subject}_timeseries.tsv`, lines.join("\n"));
    }
    await body(folder, `${folder}/tables`);
  });
}

Deno.test("a model of the next volume is trained, scored beside autoregressive models, used and inspected", async () => {
  await withTables(async (folder, tables) => {
    const out = `${folder}/run`;
    Deno.writeTextFileSync(`${tables}/LICENSE.txt`, "All rights reserved\n");
    Deno.writeTextFileSync(`${tables}/sub-01_events.tsv`, "onset\tduration\n1\t2\n");
    const text = await done("train", "brain-sequence", tables, "--out", out, ...SMALL, ...ENGINE);
    assertMatch(text, /Left out of .*: LICENSE\.txt, sub-01_events\.tsv\./);
    assertStringIncludes(text, "A line of a table is a volume");
    assertMatch(text, /held out: sub-0\d\n/);
    assertMatch(text, /AR\(2\) of every parcel +0\.\d+/);
    const { scores } = JSON.parse(await done("evaluate", out, "--json", ...ENGINE));
    const [model, mean] = scores.rows;
    assert(model.error < mean.error / 2, `${model.error} against ${mean.error}`);
    const best = Math.min(...scores.rows.slice(1).map(({ error }: { error: number }) => error));
    assert(model.error < 1.05 * best, `${model.error} against ${best}`);
    const table = `${tables}/sub-01_timeseries.tsv`;
    await done("encode", out, table, "--out", `${folder}/features`, ...ENGINE);
    const features = Deno.readTextFileSync(`${folder}/features/sub-01_timeseries_features.tsv`);
    assertEquals(features.trim().split("\n").map((line) => line.split("\t").length), [
      ...new Array(61).fill(16),
    ]);
    await done("forecast", out, table, "--steps", "7", "--out", `${folder}/ahead`, ...ENGINE);
    const ahead = Deno.readTextFileSync(`${folder}/ahead/sub-01_timeseries_forecast.tsv`);
    const numbers = ahead.trim().split("\n").slice(1).flatMap((line) =>
      line.split("\t").map(Number)
    );
    assertEquals(numbers.length, 35);
    assert(numbers.every((value) => Math.abs(value) < 4));
    assertStringIncludes(await done("inspect", out), "brain-sequence");
  });
});

Deno.test({
  name: "a run that was killed goes on as if nothing had happened",
  ignore: Deno.build.os === "windows",
  async fn() {
    await withTables(async (folder, tables) => {
      const asked = [
        ...SMALL.filter((word) => word !== "4" && word !== "--epochs"),
        "--epochs",
        "60",
      ];
      const train = [
        "train",
        "brain-sequence",
        tables,
        ...asked,
        ...ENGINE,
        "--checkpoint-every",
        "1",
      ];
      await done(...train, "--out", `${folder}/whole`);
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--quiet",
          "--no-check",
          "-A",
          PROGRAM,
          ...train,
          "--out",
          `${folder}/stopped`,
        ],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      await checkpointIn(`${folder}/stopped`);
      child.kill("SIGKILL");
      assertEquals((await child.status).code, 137);
      await done("train", "--resume", `${folder}/stopped`, "--quiet", ...ENGINE);
      for (const name of ["weights.safetensors", "optimiser.safetensors", "history.json"]) {
        const [stopped, whole] = ["stopped", "whole"].map((run) =>
          Deno.readFileSync(`${folder}/${run}/${name}`)
        );
        assertEquals(stopped, whole, name);
      }
    });
  },
});

Deno.test("every style trains and says what predicts better", async () => {
  await withTables(async (folder, tables) => {
    for (const style of ["bert", "netbert", "autoencoder"]) {
      const args = [tables, "--style", style, "--out", `${folder}/${style}`, ...SMALL, ...ENGINE];
      const text = await done("train", "brain-sequence", ...args);
      assertMatch(text, /this model +\d\.\d{4}/);
      assertMatch(text, /best of them|are equal/);
    }
    const forecast = await refused("forecast", `${folder}/bert`, tables, "--out", `${folder}/x`);
    assertStringIncludes(forecast, "--style csm");
  });
});

Deno.test("what cannot be is refused before anything is written", async () => {
  await withTables(async (folder, tables) => {
    const train = (...args: string[]) =>
      refused("train", "brain-sequence", ...args, "--out", `${folder}/no`, ...ENGINE);
    assertStringIncludes(await train(tables), "--tr SECONDS");
    assertStringIncludes(await train("--tr", "2"), "needs tables");
    assertStringIncludes(await train(tables, "--tr", "2", "--heads", "3"), "does not divide");
    assertStringIncludes(
      await train(tables, "--tr", "2", "--style", "bert", "--objective", "one"),
      "--objective is for",
    );
    assertStringIncludes(
      await train(tables, "--tr", "2", "--objective", "one", "--autoregression", "2"),
      "--autoregression needs",
    );
    Deno.mkdirSync(`${folder}/empty`);
    assertStringIncludes(await train(`${folder}/empty`, "--tr", "2"), "has no table");
    assertEquals([...Deno.readDirSync(folder)].some(({ name }) => name === "no"), false);
  });
});
