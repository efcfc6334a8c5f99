import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../../src/deps/std.ts";
import { ConfigError, ShapeError, SingularMatrixError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import {
  ridgePenalty,
  solveTransitionMatrix,
  transitionGradient,
  type TransitionProblem,
} from "../../src/linalg/ridge.ts";
import { readFixture, readManifest, relativeError } from "../support/fixture_tensors.ts";

const fixture = readFixture("ridge");
const manifest = readManifest("ridge");

interface Case {
  case: number;
  N: number;
  T: number;
  D: number;
  rho: number;
  sig_h: number;
  note: string;
}

function fixtureProblem({ case: c, N, T, D, rho, sig_h }: Case): TransitionProblem {
  return {
    states: fixture.floats(`c${c}/H`).data,
    initialState: fixture.floats(`c${c}/h0`).data,
    subjects: N,
    frames: T,
    latentDim: D,
    sigH: sig_h,
    rho,
  };
}

/** Random trajectories of N = 3, T = 6, D = 4. */
function randomProblem(changes: Partial<TransitionProblem> = {}): TransitionProblem {
  const stream = RandomStream.fromSeed(5);
  return {
    states: stream.split("states").normals64(3 * 6 * 4),
    initialState: stream.split("h0").normals64(4),
    subjects: 3,
    frames: 6,
    latentDim: 4,
    sigH: 1,
    rho: 0.4,
    ...changes,
  };
}

for (const c of manifest.config.cases as Case[]) {
  for (const [penalty, name] of [["v2", "F_nt"], ["v1", "F_plain"]] as const) {
    const label = c.note ? ` (${c.note})` : "";
    Deno.test(`F of ridge case ${c.case}${label} equals the reference, ${penalty} penalty`, () => {
      const expected = fixture.floats(`c${c.case}/${name}`).data;
      const { condition_number } = manifest.tensors[`c${c.case}/${name}`];
      const found = solveTransitionMatrix({ ...fixtureProblem(c), penalty });
      // The manifest's floor for well-conditioned float64 work is 1e-9; rounding alone explains far less.
      const tolerance = Math.min(1e-9, 1e3 * condition_number * Number.EPSILON);
      assert(relativeError(found, expected) <= tolerance, `${relativeError(found, expected)}`);
    });
  }
}

Deno.test("all nine ridge cases with float32 states stay within 2e-5", () => {
  for (const c of manifest.config.cases as Case[]) {
    for (const [penalty, name] of [["v2", "F_nt"], ["v1", "F_plain"]] as const) {
      const problem = fixtureProblem(c);
      const states = Float32Array.from(problem.states);
      const initialState = Float32Array.from(problem.initialState);
      const found = solveTransitionMatrix({ ...problem, states, initialState, penalty });
      const expected = fixture.floats(`c${c.case}/${name}`).data;
      assert(relativeError(found, expected) <= 2e-5, `case ${c.case} ${penalty}`);
    }
  }
});

Deno.test("without a penalty F recovers the matrix that generated noise-free trajectories", () => {
  const A = [0.9, 0.2, -0.3, 0.8];
  const states = [1, 0.5];
  for (let t = 1; t < 10; t++) {
    const [x, y] = states.slice(-2);
    states.push(A[0] * x + A[1] * y, A[2] * x + A[3] * y);
  }
  const found = solveTransitionMatrix({
    states: Float64Array.from(states.slice(2)),
    initialState: Float64Array.from(states.slice(0, 2)),
    subjects: 1,
    frames: 9,
    latentDim: 2,
    sigH: 1,
    rho: 0,
  });
  found.forEach((value, i) => assertAlmostEquals(value, A[i], 1e-12));
});

Deno.test("the v2 penalty is N·T times the v1 penalty", () => {
  const size = { subjects: 3, frames: 7, sigH: 0.5, rho: 0.2 };
  assertAlmostEquals(ridgePenalty({ ...size, penalty: "v1" }), 0.1, 1e-15);
  assertAlmostEquals(ridgePenalty(size), 21 * 0.1, 1e-14);
});

Deno.test("the gradient of loss2 + loss_F in F vanishes at the v2 solution only", () => {
  const problem = randomProblem();
  const largest = (values: Float64Array) => Math.max(...values.map(Math.abs));
  const gradient = transitionGradient(solveTransitionMatrix(problem), problem);
  assert(largest(gradient) < 1e-13);
  const v1 = solveTransitionMatrix({ ...problem, penalty: "v1" });
  assert(largest(transitionGradient(v1, problem)) > 1e-2);
});

Deno.test("the gradient in F equals finite differences of loss2 + loss_F", () => {
  const problem = randomProblem({ sigH: 0.7 });
  const { states, initialState, subjects, frames, latentDim: D, sigH, rho } = problem;
  const loss = (F: Float64Array) => {
    let temporal = 0;
    for (let n = 0; n < subjects; n++) {
      for (let t = 0; t < frames; t++) {
        const row = (n * frames + t) * D;
        for (let i = 0; i < D; i++) {
          let prior = 0;
          for (let j = 0; j < D; j++) {
            prior += F[i * D + j] * (t === 0 ? initialState[j] : states[row - D + j]);
          }
          temporal += (states[row + i] - prior) ** 2;
        }
      }
    }
    const ridge = F.reduce((sum, value) => sum + value * value, 0);
    return temporal / (2 * sigH ** 2 * subjects * frames) + rho * ridge;
  };
  const F = RandomStream.fromSeed(6).normals64(D * D);
  const gradient = transitionGradient(F, problem);
  for (let i = 0; i < D * D; i++) {
    const [up, down] = [1e-5, -1e-5].map((step) => loss(F.with(i, F[i] + step)));
    assertAlmostEquals(gradient[i], (up - down) / 2e-5, 1e-7);
  }
});

Deno.test("a wrong latent width is refused with latent_dim and both widths", () => {
  const error = assertThrows(
    () => solveTransitionMatrix(randomProblem({ latentDim: 5 })),
    ShapeError,
    "latent_dim",
  );
  assertStringIncludes(error.message, "4");
  assertStringIncludes(error.message, "5");
  assertEquals(error.found, [3, 6, 4]);
  const wrongStart = randomProblem({ initialState: new Float64Array(3) });
  assertThrows(() => solveTransitionMatrix(wrongStart), ShapeError, "latent_dim");
});

Deno.test("without a penalty, too few or degenerate states are singular and say what to do", () => {
  const few = randomProblem({
    subjects: 1,
    frames: 3,
    states: new Float64Array(12).fill(1),
    rho: 0,
  });
  assertThrows(
    () => solveTransitionMatrix(few),
    SingularMatrixError,
    "3 states cannot determine 4",
  );

  // Last latent dimension = sum of two others: exactly dependent, but not exactly zero pivots in float64.
  const dependent = randomProblem({ rho: 0 });
  const states = dependent.states.slice();
  const initialState = dependent.initialState.slice();
  for (const rows of [states, initialState]) {
    for (let row = 0; row < rows.length; row += 4) {
      rows[row + 3] = 0.1 * rows[row] + 0.7 * rows[row + 1];
    }
  }
  const error = assertThrows(
    () => solveTransitionMatrix({ ...dependent, states, initialState }),
    SingularMatrixError,
    "do not span",
  );
  assertStringIncludes(error.message, "set rho above 0");
  // The same states with a penalty are fine.
  solveTransitionMatrix({ ...dependent, states, initialState, rho: 0.1 });
});

Deno.test("a NaN names the subject and frame", () => {
  const problem = randomProblem();
  const states = problem.states.slice();
  states[(1 * 6 + 4) * 4 + 2] = NaN;
  assertThrows(
    () => solveTransitionMatrix({ ...problem, states }),
    SingularMatrixError,
    "subject 1 at frame 4",
  );
  const initialState = Float64Array.of(0, Infinity, 0, 0);
  assertThrows(
    () => solveTransitionMatrix({ ...problem, initialState }),
    SingularMatrixError,
    "h0",
  );
});

Deno.test("sigH and rho outside their range are refused by name", () => {
  for (
    const [field, value] of [["sigH", 0], ["sigH", NaN], ["rho", -1], ["rho", Infinity]] as const
  ) {
    const problem = randomProblem({ [field]: value });
    assertEquals(assertThrows(() => solveTransitionMatrix(problem), ConfigError).field, field);
  }
});
