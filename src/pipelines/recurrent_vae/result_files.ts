/** What a run of this family holds for people, beside the files of every run. */
import type { RunOutputs } from "../pipeline.ts";

/** Names inside the run folder. */
export const RESULT_FILES = {
  subjects: "subjects.tsv",
  transition: "transition.json",
  latents: "latents",
  reconstructions: "reconstructions",
  maps: "latent_maps.nii",
  mask: "mask.nii",
  figures: "figures",
} as const;

/** What an earlier run left behind, for the run that replaces it. */
export const OUTPUTS: readonly RunOutputs[] = [
  { folder: ".", names: /^(subjects\.tsv|transition\.json|latent_maps\.nii|mask\.nii)$/ },
  { folder: RESULT_FILES.latents, names: /_latents(_sd)?\.tsv$/ },
  { folder: RESULT_FILES.reconstructions, names: /_desc-reconstruction_bold\.nii$/ },
  { folder: RESULT_FILES.figures, names: /^(loss|slice|latents|maps|eigenvalues)\.svg$/ },
];
