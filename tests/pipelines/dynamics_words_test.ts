import { assertEquals } from "../../src/deps/std.ts";
import type { DynamicsMode } from "../../src/evaluation/reported_dynamics.ts";
import { dynamicsLines } from "../../src/pipelines/recurrent_vae/dynamics.ts";

const mode = (
  modulus: number,
  interval: readonly [number, number],
  more: Partial<DynamicsMode> = {},
): DynamicsMode => ({
  real: modulus,
  imaginary: 0,
  modulus,
  modulusInterval: interval,
  timeConstant: -1 / Math.log(modulus),
  timeConstantInterval: [0, 0],
  period: Infinity,
  ...more,
});

const eigenvalues = [
  { real: 0.6, imaginary: 0.6, modulus: 0.849 },
  { real: 0.6, imaginary: -0.6, modulus: 0.849 },
  { real: 0.2, imaginary: 0, modulus: 0.2 },
];
const common = { eigenvalues, repetitionTime: 2.5, frames: 120, rho: 1e-3, meaningless: false };
const reported = (modes: readonly DynamicsMode[]) => ({
  transition: new Float64Array(9),
  modes,
  pairs: 357,
});

Deno.test("modes are given with intervals, in seconds, and a period only where a run shows a whole one", () => {
  const modes = [
    mode(0.97, [0.95, 1.001], { imaginary: 0.3, period: 18 }),
    mode(0.9, [0.88, 0.92], { imaginary: 0.01, period: 500 }),
    mode(1.02, [1, 1.03]),
  ];
  assertEquals(dynamicsLines({ ...common, reported: reported(modes) }), [
    "Dynamics  of the 357 pairs of frames trained on, by least squares, with 95 % intervals:",
    "          modulus 0.970 (0.950 to 1.001): time constant 82.1 s (48.7 to no decay), period 45 s",
    "          modulus 0.900 (0.880 to 0.920): time constant 23.7 s (19.6 to 30)",
    "          modulus 1.020 (1.000 to 1.030): does not decay",
    "          F of training (ridge, rho 0.001) has moduli 0.85, 0.20.",
  ]);
});

Deno.test("only the slowest five modes are listed, and frames are the unit where nobody says how long one is", () => {
  const modes = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3].map((m) => mode(m, [m - 0.01, m + 0.01]));
  const lines = dynamicsLines({ ...common, repetitionTime: null, reported: reported(modes) });
  assertEquals(lines.length, 8);
  assertEquals(
    lines[1].trim(),
    "modulus 0.900 (0.890 to 0.910): time constant 9.49 frames (8.58 to 10.6)",
  );
  assertEquals(lines[6].trim(), "and 2 faster modes");
});

Deno.test("states that mean nothing have no time constants, and too few frames no estimate", () => {
  const meaningless = dynamicsLines({
    ...common,
    meaningless: true,
    reported: reported([mode(0.9, [0.8, 1])]),
  });
  assertEquals(meaningless, [
    "Dynamics  no time constants: they would describe nothing, see the note.",
  ]);
  const few = dynamicsLines({ ...common, reported: null });
  assertEquals(few, [
    "Dynamics  F of training (ridge, rho 0.001) has moduli 0.85, 0.20; the states are too few or too alike for an estimate without penalty.",
  ]);
  const zero = [{ real: 0, imaginary: 0, modulus: 0 }];
  assertEquals(dynamicsLines({ ...common, eigenvalues: zero, reported: null }), [
    "Dynamics  F is zero: the states do not follow each other.",
  ]);
});
