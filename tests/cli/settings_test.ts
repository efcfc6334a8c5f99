/** What `--config` and config.json may hold, and what the program says to settings it cannot use. */
import { ConfigError, type RecvaeError } from "../../src/base/errors.ts";
import { allCommands } from "../../src/cli/commands.ts";
import type { Command } from "../../src/cli/command.ts";
import { readConfigFile } from "../../src/pipelines/recurrent_vae/config_file.ts";
import { parseOptions } from "../../src/cli/options.ts";
import { UsageError } from "../../src/pipelines/option_table.ts";
import { configFromJson } from "../../src/pipelines/recurrent_vae/run_config.ts";
import { planRun, TRAIN_OPTIONS } from "../../src/pipelines/recurrent_vae/train_options.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../../src/deps/std.ts";
import { resolveConfig } from "../../src/models/recurrent_vae/config.ts";
import { inFolder } from "../support/folders.ts";
import { recvae } from "./run_recvae.ts";

const MODEL = resolveConfig({ spatialShape: [6, 7, 5], tolTime: 4 });
const RUN = {
  ...MODEL,
  training: {
    preset: "default",
    optimiser: "adamw",
    schedule: "cosine",
    fitOffsets: 50,
    clipNorm: 10,
  },
  data: {
    kind: "files",
    files: [{ path: "a.nii" }, { path: "b.nii", label: "CN" }],
    groupBy: "subject",
    scaling: "min-max",
    heldOut: 0.25,
  },
  __epoch__: 3,
};

/** The same with one value changed; the path has dots. */
function changed(path: string, value: unknown): Record<string, unknown> {
  const copy = structuredClone(RUN) as Record<string, unknown>;
  const names = path.split(".");
  const last = names.pop()!;
  let holder = copy;
  for (const name of names) holder = holder[name] as Record<string, unknown>;
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return copy;
}

const WRONG: [path: string, value: unknown, named?: string][] = [
  ["channels", 5],
  ["channels", 0],
  ["channels", [4, "8"], "channels[1]"],
  ["decoderChannels", -1],
  ["latentDim", "10"],
  ["epochs", 1e300],
  ["seed", null],
  ["normalization", ["group"]],
  ["latentdim", 10, 'did you mean "latentDim"'],
  ["training.clipNorm", "10"],
  ["training.clipNorm", 0],
  ["training.optimiser", "adamax"],
  ["training.patience", 2.5],
  ["training.fitOffsets", undefined],
  ["training.fitoffsets", 1, 'did you mean "training.fitOffsets"'],
  ["data.kind", "bids"],
  ["data.files", undefined],
  ["data.files", { length: 1e9 }],
  ["data.files.1.path", 7, "data.files[1].path"],
  ["data.heldOut", 1],
  ["data.fold", "5/2"],
  ["data.mask", 1],
  ["data.scaling", undefined],
  ["__epoch__", -1],
];

Deno.test("a run's config.json with a wrong value is refused by the name of the field", () => {
  assertEquals(configFromJson(RUN, "runs/a").data.heldOut, 0.25);
  for (const [path, value, named = path] of WRONG) {
    let fault: RecvaeError | undefined;
    try {
      configFromJson(changed(path, value), "runs/a");
    } catch (error) {
      fault = error as RecvaeError;
    }
    assertEquals(fault?.name, "CheckpointError", path);
    assertStringIncludes(fault!.message, named);
    assertStringIncludes(fault!.message, "runs/a");
  }
});

Deno.test("a synthetic cohort of another size than the model's is refused before it is made", () => {
  const data = { ...RUN.data, kind: "synthetic", synthetic: { spatialShape: [600, 700, 500] } };
  const { message } = assertThrows(() => configFromJson({ ...RUN, data }, "runs/a"));
  assertStringIncludes(message, "data.synthetic.spatialShape");
});

Deno.test("--config refuses the same values, and leaves out what is of the data", () =>
  inFolder((folder) => {
    const path = `${folder}/settings.json`;
    const read = (json: unknown) => {
      Deno.writeTextFileSync(path, JSON.stringify(json));
      return readConfigFile(path);
    };
    const { model, training, data } = read(RUN);
    assertEquals([model.latentDim, training.clipNorm, data.heldOut], [10, 10, 0.25]);
    assertEquals(["files" in data, "kind" in data, "spatialShape" in model], [false, false, false]);
    const ofTheData = ["data.kind", "data.files", "data.files.1.path", "__epoch__"];
    for (const [field, value, named = field] of WRONG) {
      if (value === undefined || ofTheData.includes(field)) continue;
      const { message } = assertThrows(() => read(changed(field, value)), ConfigError);
      assertStringIncludes(message, named);
    }
    assertStringIncludes(
      assertThrows(() => read({ engine: { threads: 0 } }), ConfigError).message,
      "engine.threads is 0, needs a whole number of at least 1",
    );
    assertThrows(() => read({ training: [1] }), ConfigError, "training is [1], needs an object");
    return Promise.resolve();
  }));

Deno.test("the tables and the options have the same words to choose from", () => {
  const choicesOf = (name: string) =>
    TRAIN_OPTIONS.flatMap((option) =>
      option.name === name && "choices" in option ? [option.choices] : []
    )[0];
  for (
    const [name, field] of [["optimiser", "training.optimiser"], ["schedule", "training.schedule"]]
  ) {
    const wrong = assertThrows(() => configFromJson(changed(field, "none"), "x")).message;
    assertStringIncludes(
      wrong,
      `needs ${choicesOf(name)!.map((word) => `"${word}"`).join(" or ")}`,
    );
  }
  const scaling = assertThrows(() => configFromJson(changed("data.scaling", "no"), "x")).message;
  for (const word of choicesOf("scaling")!) assertStringIncludes(scaling, `"${word}"`);
});

Deno.test("every numeric option of every command says its range", () => {
  const numeric = allCommands().flatMap((command: Command) => command.options)
    .filter(({ kind }) => kind === "number");
  assertEquals(numeric.filter(({ range }) => range === undefined).map(({ name }) => name), []);
});

function plan(...args: string[]) {
  return planRun(parseOptions(args, TRAIN_OPTIONS).values, []);
}

Deno.test("momentum is refused where nothing uses it, and a file's goes with the file's optimiser", () => {
  assertThrows(() => plan("--momentum=0.9"), UsageError, "--momentum goes with --optimiser sgd");
  assertEquals(plan("--momentum=0.9", "--optimiser=sgd").training.momentum, 0.9);
  const file = {
    model: {},
    data: {},
    engine: {},
    training: { optimiser: "sgd", momentum: 0.9 },
  } as const;
  const planned = (...args: string[]) =>
    planRun(parseOptions(args, TRAIN_OPTIONS).values, [], file).training;
  assertEquals([planned().optimiser, planned().momentum], ["sgd", 0.9]);
  assertEquals(planned("--optimiser=adam").momentum, undefined);
});

Deno.test("the program refuses what it would otherwise ignore, with exit code 2", async () => {
  const refused: [args: string[], message: string][] = [
    [["evaluate", "runs/a", "--clip-norm=1"], "--clip-norm; it is an option of train"],
    [["inspect", "runs/a", "--backend=cpu"], "--backend; it is an option of train"],
    [["train", "--group=CN="], '--group is "CN=", needs NAME=DIR'],
    [["train", "--synthetic", "--spatial=0x5,5,5"], '--spatial is "0x5,5,5"'],
    [["train", "--held-out=1"], "--held-out is"],
    [["train", "--resume=runs/a", "--fit-offsets=0"], "leave out --fit-offsets"],
    [["encode", "runs/a", "a.nii", "--json", "--out=x"], "leave out --out"],
    [["evaluate", "runs/a", "--fit-offsets=-1"], "needs a whole number of at least 0"],
    [["synthesize", "--out=x", "--noise=-1"], "--noise is"],
    [["help", "trian"], 'Unknown command "trian"; did you mean "train"?'],
  ];
  for (const [args, message] of refused) {
    const { code, stderr } = await recvae(...args);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, message);
  }
});

Deno.test("after -- a file may be called -h", async () => {
  const { code, stdout, stderr } = await recvae("inspect", "--", "-h");
  assertEquals([code, stdout], [3, ""]);
  assertStringIncludes(stderr, 'Cannot read "-h"');
});
