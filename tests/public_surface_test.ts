/**
 * The public surface: which names mod.ts gives, that importing it costs nothing but time, and that every name is
 * documented. A change of the list below is a change of the library's promise; CHANGELOG.md says so then.
 */
import * as recvae from "../mod.ts";
import { currentEngine } from "../src/backends/current_engine.ts";
import { assert, assertEquals } from "../src/deps/std.ts";
import { runDeno } from "./support/run_deno.ts";

const ROOT = new URL("../", import.meta.url);

/** Functions, classes and constants, by what they are for. */
const NAMES = {
  engines: ["probeBackends", "selectBackend"],
  model: [
    "eigenvalues",
    "ForwardResult",
    "RecurrentTraining",
    "RecurrentVae",
    "resolveConfig",
    "solveTransitionMatrix",
  ],
  losses: [
    "klTemporalLoss",
    "offsetPenalty",
    "reconstructionLoss",
    "squaredErrorSum",
    "squaredTemporalLoss",
    "transitionPenalty",
  ],
  data: [
    "applyScaling",
    "buildDataLoader",
    "checkNormalization",
    "cleanSignals",
    "cohortFromDirectories",
    "cohortFromFiles",
    "cohortFromVolumes",
    "denormalizePerSubject",
    "describeNormalization",
    "fromTorchOrder",
    "groupedFolds",
    "groupName",
    "invertScaling",
    "listSubjectFiles",
    "loadSubjectVolumes",
    "normalizationToJson",
    "normalizePerSubject",
    "openBoldRun",
    "openMask",
    "parseBidsName",
    "parseNormalization",
    "readNiftiFacts",
    "selectSubjects",
    "splitSubjects",
    "stratifiedFolds",
    "syntheticCohort",
    "torchSyntheticCohort",
    "toTorchOrder",
    "trainTestSplit",
    "voxelIndex",
  ],
  training: [
    "CheckpointStore",
    "createOptimiser",
    "createSchedule",
    "fit",
    "klRamp",
    "loadCheckpoint",
    "loadRun",
    "readRun",
    "runTraining",
    "saveCheckpoint",
    "saveRun",
    "trainingStateOf",
  ],
  evaluation: [
    "compareWithBaselines",
    "evaluate",
    "evaluateHeldOut",
    "fitPca",
    "meanImage",
    "scoreModel",
    "scoreReconstruction",
  ],
  files: [
    "ELEMENT_BYTES",
    "readSafetensors",
    "readTorchState",
    "writeNifti",
    "writeSafetensors",
  ],
  base: [
    "BackendError",
    "CheckpointError",
    "ConfigError",
    "DivergenceError",
    "FormatError",
    "InterruptedError",
    "RandomStream",
    "RecvaeError",
    "ShapeError",
    "SingularMatrixError",
    "WriteError",
    "TorchGenerator",
    "VERSION",
  ],
} as const;

/** Names of the Python package in camelCase, with what it calls otherwise. */
const OF_THE_PYTHON_PACKAGE = [
  "buildDataLoader",
  "evaluate",
  "evaluateHeldOut",
  "fit",
  "listSubjectFiles",
  "loadRun",
  "loadSubjectVolumes",
  "normalizePerSubject",
  "RecurrentVae",
  "saveRun",
  "selectBackend",
  "splitSubjects",
  "syntheticCohort",
];

Deno.test("mod.ts gives exactly the public names", () => {
  assertEquals(Object.keys(recvae).sort(), Object.values(NAMES).flat().sort());
});

Deno.test("every name of the Python package is a function or class here", () => {
  for (const name of OF_THE_PYTHON_PACKAGE) {
    assertEquals(typeof (recvae as Record<string, unknown>)[name], "function", name);
  }
});

Deno.test("importing mod.ts needs no permission and prints nothing", async () => {
  const { code, stdout, stderr } = await runDeno(["mod.ts"], ROOT);
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
});

Deno.test("importing mod.ts starts no engine", () => {
  assertEquals(currentEngine(), undefined);
});

interface Documented {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly jsDoc?: { readonly doc?: string };
  }[];
}

Deno.test("every public name has documentation, and the module an example", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", "mod.ts"],
    cwd: ROOT,
    stderr: "null",
  }).output();
  assertEquals(code, 0);
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  const [{ module_doc, symbols }] = Object.values(nodes) as [
    { module_doc: { doc: string }; symbols: Documented[] },
  ];
  assert(module_doc.doc.includes("```ts"));
  assert(symbols.length > Object.values(NAMES).flat().length, "types are listed too");
  const silent = symbols.filter(({ declarations }) =>
    !declarations.some(({ jsDoc }) => (jsDoc?.doc ?? "").trim().length > 0)
  );
  assertEquals(silent.map(({ name }) => name), []);
});
