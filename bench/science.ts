/**
 * What docs/science.md says about the default model, measured by the program itself: every run is `recvae train` in a
 * process of its own, and the figures are those of its summary.json.
 *
 *   deno task bench:science                      # all tables
 *   deno task bench:science --only shipped       # folds × seeds on the runs that ship with the project
 *   deno task bench:science --only planted       # planted dynamics found again, through files
 *   deno task bench:science --only groups        # two groups whose anatomy differs from person to person
 *   deno task bench:science --only neighbours    # reading a frame off the states around it, in closed form
 *   deno task bench:science --set="--epochs 20"  # with other settings
 */
import { type Option } from "../src/pipelines/option_table.ts";
import { parseOptions } from "../src/cli/options.ts";
import { writeTwoGroups } from "./science_data.ts";
import { textTable } from "./measurements.ts";
import { NEIGHBOURS, neighbourShares } from "./neighbour_frames.ts";
import {
  COMPARISON_COLUMNS,
  comparisonCells,
  comparisonRow,
  FOLDS,
  PLANTED_COLUMNS,
  plantedCells,
  plantedFigures,
  type TrainedSummary,
} from "./science_tables.ts";

const OPTIONS = [
  { name: "only", kind: "text", help: "" },
  { name: "set", kind: "text", help: "" },
  { name: "seeds", kind: "integer", help: "" },
] as const satisfies readonly Option[];

const MAIN = new URL("../src/cli/main.ts", import.meta.url).pathname;
const MASK =
  new URL("../data/haxby2001/masks/sub-1_desc-brain_mask.nii.gz", import.meta.url).pathname;
const FLAGS = [
  "run",
  "--quiet",
  "--no-check",
  "--no-lock",
  "--allow-read",
  "--allow-write",
  "--allow-env",
];

/** Runs the program; its standard output. */
async function recvae(...args: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...FLAGS, MAIN, ...args],
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  if (code === 0) return new TextDecoder().decode(stdout);
  throw new Error(`recvae ${args.join(" ")}\n${new TextDecoder().decode(stderr)}`);
}

/** Trains into a folder; the run's summary. */
async function train(folder: string, args: readonly string[]): Promise<TrainedSummary> {
  await recvae("train", "--out", folder, "--quiet", ...args);
  return JSON.parse(await Deno.readTextFile(`${folder}/summary.json`));
}

async function shipped(folder: string, { seeds, set }: Settings): Promise<string> {
  const rows = [];
  for (let seed = 0; seed < seeds; seed++) {
    for (let fold = 1; fold <= FOLDS; fold++) {
      const summary = await train(`${folder}/shipped-${seed}-${fold}`, [
        ...["--mask", MASK, "--fold", `${fold}/${FOLDS}`, "--seed", String(seed), ...set],
      ]);
      rows.push(comparisonRow(String(seed), summary));
    }
  }
  return textTable(COMPARISON_COLUMNS, comparisonCells(rows));
}

async function planted(folder: string, { set }: Settings): Promise<string> {
  const rows: string[][] = [];
  for (const [runs, spatial] of [[8, "8,10,8"], [16, "8,10,8"], [8, "12,14,12"]] as const) {
    const scans = `${folder}/planted-${runs}-${spatial}`;
    await recvae(
      "synthesize",
      "--planted",
      "--runs",
      String(runs),
      "--spatial",
      spatial,
      "--out",
      scans,
    );
    for (const width of [4, 10]) {
      const run = `${scans}-d${width}`;
      const widths = ["--data", scans, "--latent-dim", String(width), "--held-out", "0"];
      await train(run, [...widths, ...set]);
      rows.push([
        String(runs),
        spatial,
        String(width),
        ...plantedCells(plantedFigures(scans, run)),
      ]);
    }
  }
  return textTable(PLANTED_COLUMNS, rows);
}

async function groups(folder: string, { seeds, set }: Settings): Promise<string> {
  const scans = `${folder}/groups`;
  await writeTwoGroups(scans);
  const rows = [];
  for (let seed = 0; seed < Math.max(seeds, 3); seed++) {
    const summary = await train(`${scans}-${seed}`, [
      ...["--cn", `${scans}/CN`, "--ad", `${scans}/AD`, "--epochs", "200", "--seed", String(seed)],
      ...set,
    ]);
    rows.push(comparisonRow(String(seed), summary));
  }
  return textTable(COMPARISON_COLUMNS, comparisonCells(rows));
}

interface Settings {
  readonly seeds: number;
  readonly set: readonly string[];
}

async function neighbours(): Promise<string> {
  const shares = await neighbourShares();
  const names = NEIGHBOURS.map((offsets) =>
    `h(t) ${offsets.map((n) => `h(t${n < 0 ? "" : "+"}${n})`).join(" ")}`
  );
  const rows = shares.map((row, fold) => [
    `${2 * fold + 1} ${2 * fold + 2}`,
    ...row.map((value) => value.toFixed(2)),
  ]);
  return textTable(["held out", ...names.map((name) => name.trim())], rows);
}

const TABLES = { shipped, planted, groups, neighbours };

if (import.meta.main) {
  const { values } = parseOptions(Deno.args, OPTIONS);
  const settings = { seeds: values.seeds ?? 2, set: (values.set ?? "").split(" ").filter(Boolean) };
  const wanted = Object.entries(TABLES).filter(([name]) => !values.only || values.only === name);
  if (wanted.length === 0) throw new Error(`--only is one of ${Object.keys(TABLES).join(", ")}`);
  const folder = await Deno.makeTempDir({ prefix: "recvae-science-" });
  try {
    for (const [name, table] of wanted) {
      const started = performance.now();
      const text = await table(folder, settings);
      console.log(`${name} (${((performance.now() - started) / 1000).toFixed(0)} s)\n\n${text}\n`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
