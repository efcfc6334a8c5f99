/** The subpaths for models of one's own: which names each gives, and that importing it costs nothing. */
import denoJson from "../deno.json" with { type: "json" };
import { currentEngine } from "../src/backends/current_engine.ts";
import { assertEquals } from "../src/deps/std.ts";
import { runDeno } from "./support/run_deno.ts";

const ROOT = new URL("../", import.meta.url);

/** Functions, classes and constants; those of ./ops and ./training stand in own_model_test.ts. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "./linalg": [
    ...["Pca", "eigenvalues", "fitPca", "ridgePenalty", "solveTransitionMatrix"],
    ...["symmetricEigen", "symmetricEigenvalues", "transitionGradient"],
  ],
  "./losses": [
    ...["absoluteError", "binaryCrossEntropy", "crossEntropy", "huberError", "normalDivergence"],
    "squaredError",
  ],
  "./parameters": [
    ...["ParameterStore", "RandomStream", "TorchGenerator", "convolutionEntries"],
    ...["drawStartingValues", "filterEntry", "linearEntries", "normEntries", "plainEntry"],
    "uniformByFanIn",
  ],
  "./vae": [
    ...["BaseEstimator", "Bernoulli", "BetaVAELoss", "EarlyStopping", "Laplace", "ModelCheckpoint"],
    "ModelProbing",
    ...["Normal", "PredictorEstimator", "TransformerEstimator", "VAE", "activation", "convDecoder"],
    ...[
      "convEncoder",
      "convolution",
      "dense",
      "denseDecoder",
      "denseEncoder",
      "dropout",
      "flatten",
    ],
    ...["groupNorm", "layerNorm", "networkFrom", "parameterCount", "pool", "residual"],
    ...["residualDecoder", "residualEncoder", "sequential", "transposedConvolution", "unflatten"],
    "upsample",
  ],
};
const LIBRARY = Object.entries(denoJson.exports).filter(([name]) => name !== "./cli");

for (const [name, expected] of Object.entries(NAMES)) {
  Deno.test(`${name} gives exactly its public names`, async () => {
    const path = (denoJson.exports as Record<string, string>)[name];
    assertEquals(Object.keys(await import(new URL(path, ROOT).href)).sort(), expected);
    assertEquals(currentEngine(), undefined);
  });
}

for (const [name, path] of LIBRARY) {
  Deno.test(`importing ${name} needs no permission and prints nothing`, async () => {
    const { code, stdout, stderr } = await runDeno([path], ROOT);
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
  });
}

Deno.test("every subpath of the library is checked for documentation", async () => {
  const checked = await Deno.readTextFile(new URL("tools/check_docs.ts", ROOT));
  for (const [, path] of LIBRARY.filter(([name]) => name !== ".")) {
    const [, room] = /^\.\/src\/(.+)\/(?:mod|public)\.ts$/.exec(path)!;
    assertEquals(
      checked.includes(`"${room}"`) || checked.includes(`"${path.slice(2)}"`),
      true,
      path,
    );
  }
});
