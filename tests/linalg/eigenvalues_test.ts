import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { RecvaeError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { type Eigenvalue, eigenvalues } from "../../src/linalg/eigenvalues.ts";
import { symmetricEigen } from "../../src/linalg/symmetric.ts";

function product(a: Float64Array, b: Float64Array, n: number): Float64Array {
  return new Float64Array(n * n).map((_, index) => {
    const [i, j] = [Math.floor(index / n), index % n];
    let sum = 0;
    for (let k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
    return sum;
  });
}

/** Σ λᵏ: real part and imaginary part. */
function powerSum(values: Eigenvalue[], k: number): [number, number] {
  return values.reduce<[number, number]>(([real, imaginary], value) => {
    const angle = k * Math.atan2(value.imaginary, value.real);
    const size = value.modulus ** k;
    return [real + size * Math.cos(angle), imaginary + size * Math.sin(angle)];
  }, [0, 0]);
}

/** By Newton's identities, Σ λᵏ = trace Aᵏ for k = 1 … n fixes the characteristic polynomial. */
function assertPowerSums(matrix: Float64Array, n: number, tolerance: number) {
  const values = eigenvalues(matrix, n);
  assertEquals(values.length, n);
  let power = matrix;
  for (let k = 1; k <= n; k++) {
    let trace = 0;
    for (let i = 0; i < n; i++) trace += power[i * n + i];
    const [real, imaginary] = powerSum(values, k);
    const scale = Math.max(1, n * values[0].modulus ** k);
    assertAlmostEquals(real / scale, trace / scale, tolerance, `k = ${k}`);
    assertAlmostEquals(imaginary / scale, 0, tolerance);
    power = product(power, matrix, n);
  }
}

Deno.test("eigenvalues of random matrices of every small size have the traces of the powers", () => {
  for (let n = 1; n <= 16; n++) {
    for (let draw = 0; draw < 5; draw++) {
      const stream = RandomStream.fromSeed(n).split(draw);
      assertPowerSums(stream.normals64(n * n), n, 1e-11);
    }
  }
});

Deno.test("complex pairs come out conjugate, sorted by modulus, positive imaginary part first", () => {
  // Rotation by 1 rad scaled to 0.9, and a real mode of 0.5.
  const [c, s] = [0.9 * Math.cos(1), 0.9 * Math.sin(1)];
  const values = eigenvalues(Float64Array.of(0.5, 0, 0, 0, c, -s, 0, s, c), 3);
  const expected = [[c, s, 0.9], [c, -s, 0.9], [0.5, 0, 0.5]];
  values.forEach(({ real, imaginary, modulus }, i) => {
    [real, imaginary, modulus].forEach((v, j) => assertAlmostEquals(v, expected[i][j], 1e-15));
  });
});

Deno.test("a companion matrix has the roots of its polynomial", () => {
  // (x − 1)(x − 2)(x − 3)(x − 4) = x⁴ − 10x³ + 35x² − 50x + 24
  const companion = [10, -35, 50, -24, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];
  const roots = eigenvalues(Float64Array.from(companion), 4).map((value) => value.real);
  roots.forEach((root, i) => assertAlmostEquals(root, 4 - i, 1e-11));
});

Deno.test("structured matrices that stall simple QR iterations converge", () => {
  // JAMA 1.0.2 and its descendants never return for this one.
  const stalling = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 1];
  assertPowerSums(Float64Array.from(stalling), 5, 1e-12);
  // A cyclic permutation is its own QR iterate without exceptional shifts.
  for (const n of [3, 4, 7, 12]) {
    const cycle = new Float64Array(n * n);
    for (let i = 0; i < n; i++) cycle[i * n + ((i + 1) % n)] = 1;
    eigenvalues(cycle, n).forEach(({ modulus }) => assertAlmostEquals(modulus, 1, 1e-13));
    assertPowerSums(cycle, n, 1e-12);
  }
  assertEquals(
    eigenvalues(new Float64Array(36), 6).map(({ modulus }) => modulus),
    Array(6).fill(0),
  );
  assertEquals(eigenvalues(new Float64Array(0), 0), []);
});

Deno.test("every 0/1 matrix of size 3 and 2,000 random ones of sizes 4 to 6 converge", () => {
  for (let bits = 0; bits < 512; bits++) {
    assertPowerSums(new Float64Array(9).map((_, i) => (bits >> i) & 1), 3, 1e-9);
  }
  const stream = RandomStream.fromSeed(1);
  for (let draw = 0; draw < 2000; draw++) {
    const n = 4 + (draw % 3);
    assertPowerSums(stream.uniforms64(n * n).map((value) => (value < 0.3 ? 1 : 0)), n, 1e-9);
  }
});

Deno.test("eigenvalues scale with the matrix, from 1e-100 to 1e100", () => {
  const matrix = RandomStream.fromSeed(3).normals64(25);
  const plain = eigenvalues(matrix, 5);
  for (const scale of [1e-100, 1e100]) {
    eigenvalues(matrix.map((value) => value * scale), 5).forEach(({ modulus }, i) => {
      assertAlmostEquals(modulus / scale, plain[i].modulus, 1e-13 * plain[0].modulus);
    });
  }
});

Deno.test("wrong sizes and non-finite entries are refused", () => {
  assertThrows(() => eigenvalues(new Float64Array(5), 2), ShapeError, "2 × 2");
  assertThrows(() => eigenvalues(Float64Array.of(1, NaN, 0, 1), 2), RecvaeError, "NaN");
});

Deno.test("symmetric decomposition rebuilds the matrix from orthonormal vectors, largest value first", () => {
  const n = 7;
  const half = RandomStream.fromSeed(4).normals64(n * n);
  const matrix = new Float64Array(n * n).map((_, index) => {
    const [i, j] = [Math.floor(index / n), index % n];
    return half[i * n + j] + half[j * n + i];
  });
  const { values, vectors } = symmetricEigen(matrix, n);
  for (let i = 0; i < n; i++) {
    if (i > 0) assert(values[i] <= values[i - 1]);
    for (let j = 0; j < n; j++) {
      let rebuilt = 0;
      let overlap = 0;
      for (let k = 0; k < n; k++) {
        rebuilt += values[k] * vectors[k * n + i] * vectors[k * n + j];
        overlap += vectors[i * n + k] * vectors[j * n + k];
      }
      assertAlmostEquals(rebuilt, matrix[i * n + j], 1e-13);
      assertAlmostEquals(overlap, i === j ? 1 : 0, 1e-13);
    }
  }
});
