import { assert, assertEquals } from "../../src/deps/std.ts";
import { RandomStream } from "../../src/base/random.ts";
import { CheckpointStore, loadCheckpoint } from "../../src/training/checkpoint.ts";
import { readRunLog } from "../../src/training/run_log.ts";
import type { NamedArrays } from "../../src/training/weight_holder.ts";
import { nightlyCount } from "../support/nightly.ts";
import { filesBelow, inTemporaryFolder } from "./temporary_folder.ts";

const KILLS = nightlyCount(50, 10);
/** A save takes about 5 to 30 ms; the moment of the kill is uniform over several of them. */
const LONGEST_LIFE_MS = 80;

const VICTIM = new URL("kill_victim.ts", import.meta.url);

/** Runs the victim until it is killed `life` ms after it has resumed; the last epoch it reported as saved, or null. */
async function killAfter(folder: string, life: number): Promise<number | null> {
  const permissions = [`--allow-read=${folder}`, `--allow-write=${folder}`];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--cached-only", "--quiet", ...permissions, VICTIM.href, folder],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  let text = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.startsWith("ready")) timer ??= setTimeout(() => child.kill("SIGKILL"), life);
  }
  const { signal } = await child.status;
  assertEquals(signal, "SIGKILL", `the victim ended by itself: ${await errors}`);
  // Only whole lines count: the last one may have been cut by the kill.
  const saved = text.split("\n").slice(1, -1).map(Number);
  return saved.at(-1) ?? null;
}

Deno.test(`after ${KILLS} kills at random moments the newest checkpoint loads, whole and current`, () =>
  inTemporaryFolder(async (folder) => {
    const moments = RandomStream.fromSeed(2022).split("kill moments").uniforms64(KILLS);
    const store = new CheckpointStore(`${folder}/checkpoints`);
    let epoch = 0;
    let saves = 0;
    let cutShort = 0;
    for (const moment of moments) {
      const reported = await killAfter(folder, moment * LONGEST_LIFE_MS);
      const leftovers = (await filesBelow(folder)).some((path) => path.includes(".writing-"));
      if (leftovers) cutShort++;
      let weights: NamedArrays = new Map();
      const model = {
        stateDict: () => Promise.resolve(weights),
        loadStateDict: (state: NamedArrays) => void (weights = state),
      };
      const loaded = await loadCheckpoint(store, model);
      if (loaded === null) {
        assertEquals(reported, null, "a save was reported, yet there is no checkpoint");
        continue;
      }
      // At most the save in progress goes beyond what was reported, and nothing saved is ever lost.
      const found: number = loaded.epoch!;
      const least = reported ?? epoch;
      assert(found === least || found === least + 1, `epoch ${found} after ${least} was reported`);
      assertEquals(loaded.rejected, []);
      assertEquals(loaded.config, { epoch: found });
      assertEquals(loaded.history, [found]);
      assert(weights.get("weight")!.data.every((value) => value === found), "weights of two saves");
      const { rows } = await readRunLog(`${folder}/log.jsonl`);
      assert(rows.length >= found && rows.every((row, i) => row.epoch === i), "rows are missing");
      saves += found - epoch;
      epoch = found;
    }
    assert(cutShort >= KILLS / 10, `only ${cutShort} kills fell into a save`);
    assert(saves >= KILLS / 5, `only ${saves} saves in ${KILLS} lives: the kills came too early`);
  }));
