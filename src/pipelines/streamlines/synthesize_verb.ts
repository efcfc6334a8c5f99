/** `recvae synthesize streamlines`: the phantom as tractograms. */
import {
  pickStreamlines,
  type Streamlines,
  tractogramOf,
} from "../../data/streamlines/geometry.ts";
import { implausibleFibercup } from "../../data/streamlines/implausible.ts";
import { fibercup, FIBERCUP_BUNDLES, FIBERCUP_SPACE } from "../../data/streamlines/phantom.ts";
import { tractogramBytes } from "../../data/streamlines/tractogram_files.ts";
import { writeFilesWhole } from "../../files/whole_folder.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { UsageError } from "../option_table.ts";
import { defineVerb } from "../pipeline.ts";

/** Implausible streamlines beside the bundles, for one of the phantom's full size. */
const IMPLAUSIBLE = 600;

/** The verb. */
export const synthesizeVerb = defineVerb({
  summary: "Write the fibercup phantom as tractograms",
  usage: "synthesize --out DIR",
  description:
    "Writes a .trk file for each of the seven bundles of a made-up slab of 192 × 192 × 9 mm with crossing, fanning and " +
    "turning bundles, and one of implausible streamlines.",
  options: [
    { name: "out", short: "o", kind: "text", value: "DIR", help: "Folder to write" },
    { name: "seed", kind: "integer", value: "N", help: "Seed", otherwise: "0" },
    {
      name: "share",
      kind: "number",
      range: { above: 0, most: 1 },
      value: "X",
      help: "Share of the 3,112 streamlines",
      otherwise: "1",
    },
    FORCE_OPTION,
  ],
  examples: [{ line: "recvae synthesize streamlines --out phantom", does: "eight tractograms" }],
  run({ values }) {
    const { out, seed = 0, share = 1 } = values;
    if (out === undefined) throw new UsageError("synthesize streamlines needs --out DIR");
    const { streamlines, labels } = fibercup({ seed, share });
    const files = new Map<string, Uint8Array>();
    const add = (name: string, set: Streamlines) => {
      const path = `${name}.trk`;
      files.set(path, tractogramBytes({ ...tractogramOf(set), space: FIBERCUP_SPACE }, path));
    };
    FIBERCUP_BUNDLES.forEach(([name], bundle) => {
      const rows = [...labels.keys()].filter((row) => labels[row] === bundle);
      add(name, pickStreamlines(streamlines, rows));
    });
    const count = Math.max(4, Math.round(IMPLAUSIBLE * share));
    add("implausible", implausibleFibercup(count, { seed }).streamlines);
    requireFreeOutputs([...files.keys()].map((name) => `${out}/${name}`), {
      force: values.force,
      inputs: [],
    });
    makeFolder(out);
    writeFilesWhole(out, files);
    return Promise.resolve({
      json: { files: [...files.keys()] },
      text:
        `${labels.length} streamlines in ${FIBERCUP_BUNDLES.length} bundles and ${count} implausible ones in ${out}`,
    });
  },
});
