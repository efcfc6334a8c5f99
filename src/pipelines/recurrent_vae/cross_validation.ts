/** How the recurrent VAE is cross-validated: its folds, their scores, and what is said of each person. */
import { groupName } from "../../data/bids.ts";
import type { ReconstructionScore } from "../../evaluation/reconstruction_score.ts";
import type { ExplainedShare } from "../../evaluation/variance_explained.ts";
import { resolveConfig } from "../../models/recurrent_vae/config.ts";
import { UsageError } from "../option_table.ts";
import type { CrossValidation, FoldPlace, FoldScore } from "../pipeline.ts";
import { NO_CONFIG, readConfigFile } from "./config_file.ts";
import type { PreparedData } from "./prepared_data.ts";
import { configToJson, type RunConfig } from "./run_config.ts";
import { isLaggedScores, type LaggedScores } from "./lagged_scores.ts";
import { type AnyScores, explained, type Scores } from "./scores.ts";
import type { TrainedModel } from "./trained_model.ts";
import { personFeatures } from "./person_features.ts";
import type { RunPlan, TrainValues } from "./train_options.ts";

/** Options of a fold: those of train, and the groups of a table. */
export type FoldValues = TrainValues & Pick<FoldPlace, "labelOf">;

/** Entry of the family's row. */
export const crossValidation: CrossValidation<RunConfig, PreparedData, TrainedModel> = {
  reserved: ["held-out", "fold", "data-root", "accept-changed-data"],
  fold({ values, files }, { fold, folds, repeat, labelOf }) {
    const file = values.config === undefined ? NO_CONFIG : readConfigFile(values.config);
    const { seed } = resolveConfig({ seed: values.seed ?? file.model.seed });
    const own = { fold: `${fold}/${folds}`, seed: seed + repeat - 1, labelOf };
    return { values: { ...values, ...own }, files };
  },
  common(config) {
    const { seed: _seed, ...json } = configToJson(config);
    const { fold: _fold, ...data } = config.data;
    return { ...json, data };
  },
  scores({ scores }: { readonly scores: AnyScores | null }) {
    if (scores === null) return [];
    return isLaggedScores(scores) ? laggedScores(scores) : foldScores(scores);
  },
  features: personFeatures,
};

function foldScores(scores: Scores): FoldScore[] {
  const row = (
    method: string,
    score: ReconstructionScore,
    more: Partial<FoldScore>,
  ): FoldScore => ({
    method,
    measure: "variance explained (%)",
    value: 100 * explained(score, scores),
    better: "higher",
    own: false,
    ...more,
  });
  return [
    row("this model, no offset", scores.model, { own: true }),
    ...(scores.fitted
      ? [row("this model, offset fitted to the run", scores.fitted, { own: true, seen: true })]
      : []),
    row(`PCA with ${scores.components} components`, scores.pca, {}),
    row("mean image of the training runs", scores.trainingMean, {}),
    row("the held-out run's own mean image", scores.ownMean, { seen: true }),
  ];
}

/** The rows of the table that a run prints. */
function laggedScores({ model, linear, components: D }: LaggedScores): FoldScore[] {
  const rows = (measure: string, methods: readonly (readonly [string, ExplainedShare])[]) =>
    methods.map(([method, { share }]): FoldScore => ({
      method,
      measure,
      value: 100 * share,
      better: "higher",
      own: method.startsWith("this model"),
    }));
  return [
    ...rows("variance explained by reconstruction (%)", [
      ["this model", model.model],
      [`PCA with ${D} components`, linear.pca],
      [`PCA with ${D} components and lag`, linear.pcaLag],
    ]),
    ...rows("variance explained one frame ahead (%)", [
      ["this model", model.modelAhead],
      ["this model, state alone", model.modelState],
      [`VAR(1) of ${D} PCA scores`, linear.pcaVar1],
      [`VAR(1) of ${D} PCA scores with residual autocorrelation`, linear.pcaVar1Residual],
      ["AR(1) of each voxel", linear.voxelAr1],
      ["the frame before (persistence)", linear.persistence],
    ]),
  ];
}

/**
 * A plan whose scans have the groups of a table in the place of those they had.
 *
 * @param plan From the options.
 * @param labelOf Group of a person; undefined when there is no table.
 * @throws {UsageError} when the scans are not the user's.
 */
export function withLabels(plan: RunPlan, labelOf: FoldPlace["labelOf"]): RunPlan {
  if (!labelOf) return plan;
  const { files, groupBy } = plan.data;
  if (!files) {
    throw new UsageError("--labels names the groups of your own scans; name these too");
  }
  const labelled = files.map(({ label: _label, ...file }) => {
    const label = labelOf(groupName(file.path, groupBy));
    return label === undefined ? file : { ...file, label };
  });
  if (labelled.every((file) => !("label" in file))) {
    throw new UsageError(
      `--labels has a group for none of the scans; the first is of "${
        groupName(files[0].path, groupBy)
      }", needs such names in its first column`,
    );
  }
  return { ...plan, data: { ...plan.data, files: labelled } };
}
