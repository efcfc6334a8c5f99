/** The program's messages are in the words of its options; the library's names and the system's texts stay inside. */
import { ConfigError, FormatError } from "../../src/base/errors.ts";
import { systemFaultWords } from "../../src/base/system_faults.ts";
import { describeFailure, EXIT, exitCodeOf } from "../../src/cli/failures.ts";
import { inOptionWords } from "../../src/cli/option_words.ts";
import { UsageError } from "../../src/pipelines/option_table.ts";
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";

const SOURCES = new URL("../../src/", import.meta.url);

/** Names in errors that only a program using the library can cause, and proper names. */
const LIBRARY_ONLY = [
  "batchNormActivation",
  "buildDataLoader",
  "cohortFromFiles",
  "encoderOutDim",
  "framesPerChunk",
  "leakyRelu",
  "minDelta",
  "nAd",
  "etaMin",
  "outputPadding",
  "sampleGroups",
  "selectBackend",
];

Deno.test("fields become options, what the user wrote stays", () => {
  const cases = [
    ["learningRate is -1, needs more", "--learning-rate is -1, needs more"],
    [
      '"tolTime.nii" is short; use fewer frames (tolTime)',
      '"tolTime.nii" is short; use fewer frames (--tol-time)',
    ],
    ["give more memory (memoryBudget)", "give more memory (--memory)"],
    ["did you mean mni2nii or 3dAFNItoNIFTI?", "did you mean mni2nii or 3dAFNItoNIFTI?"],
  ];
  for (const [message, expected] of cases) assertEquals(inOptionWords(message), expected);
  const error = new ConfigError("clipNorm", "Cannot train: clipNorm is 0, needs a number above 0");
  assertEquals(
    describeFailure(error, false),
    "recvae: Cannot train: --clip-norm is 0, needs a number above 0",
  );
  const frames = new FormatError("a", "data.frames", "use fewer frames (tolTime)");
  assertStringIncludes(describeFailure(frames, false), "--tol-time");
  assertEquals(describeFailure(new UsageError("learningRate"), false), "recvae: learningRate");
});

Deno.test("no error of the source text has a library name that a person at a terminal could meet", () => {
  let strings = 0;
  for (const path of sourceFiles(SOURCES)) {
    const text = Deno.readTextFileSync(path).replace(/^\s*(\/\*\*|\*|\/\/).*$/gm, "");
    for (const [literal] of text.matchAll(/`(?:[^`\\]|\\.)*`|"(?:[^"\\\n]|\\.)*"/g)) {
      const words = literal.replace(/\$\{[^}]*\}/g, "");
      if (!/(Cannot|needs|found|check|use|lower) /.test(words) || words.includes("\n")) continue;
      strings++;
      const names = inOptionWords(words.slice(1, -1)).match(/\b[a-z]+(?:[A-Z][a-z]*)+\b/g) ?? [];
      const leaked = names.filter((name) => !LIBRARY_ONLY.includes(name));
      assertEquals(leaked, [], `${path}: ${literal}`);
    }
  }
  assert(strings > 200, `${strings} messages were looked at`);
});

function* sourceFiles(folder: URL): Generator<URL> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* sourceFiles(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts")) yield new URL(name, folder);
  }
}

Deno.test("faults of the system are put into words, with the path and without its codes", () => {
  const faults: [() => unknown, string][] = [
    [
      () => Deno.readTextFileSync("no/such"),
      'Cannot use "no/such": there is no such file or folder',
    ],
    [() => [...Deno.readDirSync(new URL(import.meta.url).pathname)], "where a folder is needed"],
    [() => Deno.readTextFileSync("/"), 'Cannot use "/": it is a folder'],
    [() => Deno.statSync("x".repeat(300)), "the name is longer than the system allows"],
    [() => Deno.mkdirSync("/"), 'Cannot use "/": there is something of that name already'],
  ];
  for (const [body, expected] of faults) {
    const fault = thrown(body);
    const text = describeFailure(fault, false);
    assertStringIncludes(text, expected);
    assert(!/os error|unexpected|readdir|readfile/.test(text), text);
    assertEquals(exitCodeOf(fault), EXIT.input);
  }
  const full = Object.assign(new Error("No space left on device (os error 28)"), {
    code: "ENOSPC",
  });
  assertEquals(describeFailure(full, false).includes("the disk is full"), true);
  assertEquals(systemFaultWords(new Error("x")), undefined);
  assertStringIncludes(describeFailure(new TypeError("x"), false), "unexpected");
  assertEquals(exitCodeOf(new TypeError("x")), EXIT.failure);
});

function thrown(body: () => unknown): unknown {
  try {
    body();
  } catch (fault) {
    return fault;
  }
  throw new Error("nothing was thrown");
}
