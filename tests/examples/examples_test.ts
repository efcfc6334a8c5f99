/**
 * Every example runs with exactly the command of its head comment, permissions included, and prints what it is
 * about.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { runDeno } from "../support/run_deno.ts";

const ROOT = new URL("../../", import.meta.url);
const EXAMPLES = new URL("examples/", ROOT);

/** Files beside the examples that are parts of one. */
const PARTS = ["logistic_regression.ts"];

/** The arguments of the `deno run` command in an example's head comment. */
function documentedCommand(name: string): string[] {
  const text = Deno.readTextFileSync(new URL(name, EXAMPLES));
  const command = /Run with: deno run ([^\n(]*)/.exec(text)?.[1];
  assert(command, `${name} has no line "Run with: deno run …" in its head comment`);
  return command.trim().split(/\s+/);
}

/**
 * Runs an example as documented, except that it writes below a folder of its own in `runs/`.
 *
 * @param inspect Looks at that folder afterwards.
 * @returns What was printed.
 */
async function runExample(
  name: string,
  inspect: (folder: string) => void = () => {},
): Promise<string> {
  const folder = `runs/example-test-${crypto.randomUUID()}`;
  const command = documentedCommand(name).map((part) => part.replace(/\bruns(?=\/|,|$)/g, folder));
  try {
    const { code, stdout, stderr } = await runDeno(command, ROOT);
    assertEquals(code, 0, `${name}: ${stderr}`);
    inspect(new URL(folder, ROOT).pathname);
    return stdout;
  } finally {
    await Deno.remove(new URL(folder, ROOT), { recursive: true }).catch(() => {});
  }
}

/** All numbers of a text, in order. */
function numbersIn(text: string): number[] {
  return Array.from(
    text.matchAll(/(?<![\w.-])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g),
    ([number]) => Number(number),
  );
}

/** The numbers behind a label on the first line that has it. */
function numbersAfter(output: string, label: string): number[] {
  const line = output.split("\n").find((line) => line.includes(label));
  assert(line, `no line with "${label}" in:\n${output}`);
  return numbersIn(line.slice(line.indexOf(label) + label.length));
}

Deno.test("every example has a test here, a command in its head comment and a line in the index", () => {
  const own = Deno.readTextFileSync(new URL(import.meta.url));
  const index = Deno.readTextFileSync(new URL("README.md", EXAMPLES));
  for (const { name } of Deno.readDirSync(EXAMPLES)) {
    if (!name.endsWith(".ts") || PARTS.includes(name)) continue;
    assert(documentedCommand(name).at(-1) !== undefined);
    assert(own.includes(`runExample("${name}"`), `${name} is not run by any test`);
    assert(index.includes(`[${name}](${name})`), `${name} is not in examples/README.md`);
  }
});

Deno.test("quick_start.ts trains without any permission", async () => {
  const output = await runExample("quick_start.ts");
  const losses = numbersAfter(output, "loss ");
  assertEquals(losses.length, 5);
  assertLess(losses[4], losses[0]);
  assertStringIncludes(output, "latent states of the first subject: [1,12,10]");
});

Deno.test("own_scans.ts trains on real runs, scores others and saves weights", async () => {
  const output = await runExample("own_scans.ts", (folder) => {
    assert(Deno.statSync(`${folder}/own_scans/weights.safetensors`).isFile);
  });
  assertStringIncludes(output, "[epoch 10/10]");
  const [unfitted, , fitted] = numbersAfter(output, "held-out mean squared error:");
  assertLess(fitted, unfitted);
});

Deno.test("encode_latents.ts reopens a saved run and finds modes that decay", async () => {
  const output = await runExample("encode_latents.ts", (folder) => {
    const names = [...Deno.readDirSync(`${folder}/latents`)].map(({ name }) => name);
    assert(names.includes("weights.safetensors") && names.includes("config.json"), `${names}`);
  });
  assertStringIncludes(output, "states [2,60,6]");
  const moduli = output.split("\n").filter((line) => line.startsWith("|λ|"))
    .map((line) => numbersIn(line)[0]);
  assertEquals(moduli.length, 6);
  assertEquals(moduli, moduli.toSorted((a, b) => b - a));
  assertGreater(moduli[0], 0.5);
});

Deno.test("held_out.ts shows that only one objective moves the offsets", async () => {
  const output = await runExample("held_out.ts");
  const [before, after] = numbersAfter(output, "training objective:");
  assertLess(after, before);
  const [start, end] = numbersAfter(output, "original objective:");
  assertEquals(end, start);
  for (const name of ["trainingMean", "model", "pca", "ownMean"]) {
    assertGreater(numbersAfter(output, name)[0], 0);
  }
});

Deno.test("callbacks.ts stops early on the held-out score", async () => {
  const output = await runExample("callbacks.ts");
  const scores = output.split("\n").filter((line) => line.startsWith("epoch"))
    .map((line) => numbersIn(line).at(-1)!);
  assertMatch(output, /ended after \d+ epochs: early-stopping/);
  assertEquals(numbersAfter(output, "ended after")[0], scores.length);
  assertLess(scores.length, 40);
  assertLess(Math.min(...scores), 0.8 * scores[0]);
});

Deno.test("custom_loop.ts follows its schedule and learns", async () => {
  const lines = (await runExample("custom_loop.ts")).trim().split("\n").map(numbersIn);
  assertEquals(lines.map(([epoch]) => epoch), Array.from({ length: 12 }, (_, i) => i + 1));
  assertEquals(lines[2][1], 2e-5);
  assertLess(lines[11][1], 1e-6);
  assertLess(lines[11][2], 0.9 * lines[0][2]);
});

/** Fails unless own_model.ts says that it learnt, stopped half way and went on to the same bits. */
function assertResumed(output: string): void {
  const [half, whole] = output.trim().split("\n");
  const [epochs, first, last] = numbersIn(whole);
  assertEquals([numbersIn(half)[0], epochs], [30, 60]);
  assertLess(last, first / 20);
  assertEquals([half.endsWith("same bits: false"), whole.endsWith("same bits: true")], [
    true,
    true,
  ]);
}

Deno.test("own_model.ts goes on from its checkpoint to the bits of a run that never stopped", async () => {
  assertResumed(await runExample("own_model.ts"));
});

Deno.test("own_network.ts learns with an encoder of its own", async () => {
  const [, before, after] = /^mean squared error (\S+) -> (\S+)/.exec(
    await runExample("own_network.ts"),
  )!;
  assert(Number(after) < Number(before) / 2, `${before} -> ${after}`);
});

Deno.test("own_model.ts as somebody else's program in another folder, importing by URL", async () => {
  const text = Deno.readTextFileSync(new URL("own_model.ts", EXAMPLES));
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/runs`);
    await Deno.writeTextFile(`${folder}/mine.ts`, text.replaceAll('from "../', `from "${ROOT}`));
    const files = ["--allow-read=runs", "--allow-write=runs"];
    const alone = ["--no-config", "--no-lock", ...files, "mine.ts", "runs"];
    const { code, stdout, stderr } = await runDeno(alone, folder);
    assertEquals(code, 0, stderr);
    assertResumed(stdout);
  });
});

Deno.test("convert_pytorch.ts reads a checkpoint and writes all of it", async () => {
  const output = await runExample("convert_pytorch.ts", (folder) => {
    assertGreater(Deno.statSync(`${folder}/converted/weights.safetensors`).size, 100_000);
  });
  assertStringIncludes(output, "62 tensors, for example encoder1.0.weight [4,1,4,4,4]");
  assertStringIncludes(output, "wrote 62 tensors");
});

Deno.test("synthetic_cohort.ts measures the effect it put in and writes NIfTI files", async () => {
  const output = await runExample("synthetic_cohort.ts", (folder) => {
    const files = [...Deno.readDirSync(`${folder}/synthetic`)];
    assertEquals(files.length, 6);
    assertEquals(Deno.statSync(`${folder}/synthetic/sub-CN01_bold.nii`).size, 352 + 4 * 12 * 5760);
  });
  const ratios = output.trim().split("\n").map((line) => numbersIn(line).at(-1)!);
  assertLess(Math.max(...ratios.slice(3)), 0.8);
  assertGreater(Math.min(...ratios.slice(0, 3)), 0.9);
});

Deno.test("kl_ramp.ts: the KL term keeps the posterior wide, the distance narrows it", async () => {
  const output = await runExample("kl_ramp.ts");
  assertLess(numbersAfter(output, "squared:").at(-1)!, 0.2);
  assertGreater(numbersAfter(output, "kl:").at(-1)!, 0.5);
});

Deno.test("adamw_cosine.ts learns where the original's rate hardly moves", async () => {
  const output = await runExample("adamw_cosine.ts");
  const [sgd, adamw] = ["SGD 1e-6:", "cosine:"].map((label) => numbersAfter(output, label));
  assertEquals([sgd.length, adamw.length], [10, 10]);
  assertLess(adamw[9], 0.85 * sgd[9]);
});

Deno.test("group_norm.ts: codes depend neither on company nor on the mode", async () => {
  const output = await runExample("group_norm.ts");
  assertEquals(numbersAfter(output, "group:"), [0, 0]);
  for (const change of numbersAfter(output, "batch:")) assertGreater(change, 1e-3);
});

Deno.test("wide_decoder.ts: the wide decoder reconstructs better than the narrow one", async () => {
  const output = await runExample("wide_decoder.ts");
  const [narrow, wide] = ["narrow:", "wide:"].map((label) => numbersAfter(output, label));
  assertGreater(wide[0], 9 * narrow[0]);
  assertGreater(wide[1], narrow[1] + 0.05);
  assertGreater(wide[2], narrow[2] + 0.05);
});

Deno.test("cohort_transition.ts: groups with the same dynamics get matrices alike", async () => {
  const output = await runExample("cohort_transition.ts");
  const [cn, ad] = ["CN: |λ| of F", "AD: |λ| of F"].map((label) => numbersAfter(output, label));
  assertEquals([cn.length, ad.length], [2, 2]);
  assertNotEquals(cn, ad);
  cn.forEach((modulus, i) => assertLess(Math.abs(modulus - ad[i]), 0.2));
});

Deno.test("classify_latents.ts reports training and test accuracy beside chance", async () => {
  const output = await runExample("classify_latents.ts");
  for (const name of ["latent states", "principal components"]) {
    const [trained, tested] = numbersAfter(output, `${name}: accuracy`);
    for (const share of [trained, tested]) assert(share >= 0 && share <= 1, `${share}`);
    assertGreater(trained, 0.6);
  }
  assertStringIncludes(output, "chance: 0.50 ± 0.24 with 16 test subjects");
});
