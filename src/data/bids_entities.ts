/**
 * The entities of BIDS file names in the order in which they stand there, and the suffixes of images.
 *
 * From the schema of the Brain Imaging Data Structure specification, version 1.11.2-dev (bids-standard/bids-specification,
 * commit 4523097f4cd9), Copyright (c) 2018, BIDS Contributors, licensed under Creative Commons Attribution 4.0 International
 * (https://creativecommons.org/licenses/by/4.0/). Changed here: reduced to names, keys and formats.
 */

/** An entity. */
export interface BidsEntity {
  /** As it stands in names: `sub`. */
  readonly name: string;
  /** As people say it: `subject`. */
  readonly key: string;
  /** `index`: a whole number; `label`: letters, digits and plus signs. */
  readonly format: "index" | "label";
}

const entity = (name: string, key: string, format: BidsEntity["format"]): BidsEntity => ({
  name,
  key,
  format,
});

/** All entities. */
export const BIDS_ENTITIES: readonly BidsEntity[] = [
  entity("sub", "subject", "label"),
  entity("tpl", "template", "label"),
  entity("ses", "session", "label"),
  entity("cohort", "cohort", "label"),
  entity("sample", "sample", "label"),
  entity("task", "task", "label"),
  entity("tracksys", "tracksys", "label"),
  entity("acq", "acquisition", "label"),
  entity("nuc", "nucleus", "label"),
  entity("voi", "volume", "label"),
  entity("ce", "ceagent", "label"),
  entity("trc", "tracer", "label"),
  entity("stain", "stain", "label"),
  entity("rec", "reconstruction", "label"),
  entity("dir", "direction", "label"),
  entity("run", "run", "index"),
  entity("mod", "modality", "label"),
  entity("echo", "echo", "index"),
  entity("flip", "flip", "index"),
  entity("inv", "inversion", "index"),
  entity("mt", "mtransfer", "label"),
  entity("part", "part", "label"),
  entity("proc", "processing", "label"),
  entity("hemi", "hemisphere", "label"),
  entity("space", "space", "label"),
  entity("split", "split", "index"),
  entity("recording", "recording", "label"),
  entity("chunk", "chunk", "index"),
  entity("atlas", "atlas", "label"),
  entity("seg", "segmentation", "label"),
  entity("scale", "scale", "label"),
  entity("res", "resolution", "label"),
  entity("den", "density", "label"),
  entity("label", "label", "label"),
  entity("desc", "description", "label"),
];

/** What suffixes of images that are no BOLD runs say, in words. */
export const OTHER_SUFFIXES: Readonly<Record<string, string>> = {
  boldref: "reference images",
  sbref: "single-band references",
  mask: "masks",
  T1w: "anatomy",
  T2w: "anatomy",
  T2starw: "anatomy",
  FLAIR: "anatomy",
  PDw: "anatomy",
  probseg: "tissue probabilities",
  dseg: "segmentations",
  epi: "field maps",
  fieldmap: "field maps",
  phasediff: "field maps",
  magnitude1: "field maps",
  magnitude2: "field maps",
  magnitude: "field maps",
  phase1: "field maps",
  phase2: "field maps",
  dwi: "diffusion images",
  asl: "perfusion images",
  m0scan: "perfusion images",
  cbv: "blood volume images",
  phase: "phase images",
  noRF: "noise scans",
  pet: "PET images",
};
