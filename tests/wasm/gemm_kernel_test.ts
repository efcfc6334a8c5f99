/**
 * The matrix product of both committed modules against its float64 definition: every path, transpose, batch layout and
 * activation, sizes around every tile and block, nothing written beside the result, the same bits on any thread count.
 */
import { assert, assertEquals } from "../../src/deps/std.ts";
import {
  activate,
  ACTIVATIONS,
  erf,
  placeProduct,
  type Product,
  type Transposes,
} from "../../wasm/gemm_cases.ts";
import { Harness } from "../../wasm/harness.ts";

const DIST = new URL("../../wasm/dist/", import.meta.url);
const KINDS: readonly Transposes[] = ["AB", "AtB", "ABt", "AtBt"];

/** Error allowed, of the sum of magnitudes: a few roundings of float32 (2⁻²⁴ each). */
const TOLERANCE = 3e-7;
/** Activations beside: errors of the functions themselves, which are of the size of 1. */
const ACTIVATION_TOLERANCE = 1e-6;

function start(suffix: string, threads = 1): Promise<Harness> {
  const bytes = Deno.readFileSync(new URL(`recvae.${suffix}.wasm`, DIST));
  return Harness.start(bytes, { threads, megabytes: 128, scratchBytes: 1 << 20 });
}

function describe(product: Product): string {
  return JSON.stringify(product);
}

function check(harness: Harness, product: Product, tolerance = TOLERANCE): void {
  const mark = harness.release();
  const placed = placeProduct(harness, product, product.m * 31 + product.k * 7 + product.n);
  harness.runOperation("f32_gemm", placed.params);
  const error = placed.worstError(5000);
  assert(error < tolerance, `${describe(product)}: error ${error}`);
  assert(!placed.overran(), `${describe(product)}: wrote beside its result`);
  harness.release(mark);
}

for (const suffix of ["relaxed", "simd128"]) {
  Deno.test(`${suffix} f32_gemm equals its definition for every small size`, async () => {
    const harness = await start(suffix);
    const rows = [1, 2, 3, 5, 8, 9, 15, 16, 17, 18, 23, 50];
    const widths = [1, 3, 7, 8, 9, 31, 32, 33, 70];
    for (const m of rows) {
      for (const k of [1, 2, 3, 4, 5, 8, 30, 67]) {
        for (const n of widths) {
          for (const transposes of KINDS) check(harness, { m, k, n, transposes });
        }
      }
    }
    harness.stop();
  });

  Deno.test(`${suffix} f32_gemm equals its definition around its blocks`, async () => {
    const harness = await start(suffix);
    const sizes = [[97, 385, 97], [193, 383, 200], [16, 3000, 24], [8, 4800, 100], [300, 40, 400]];
    for (const [m, k, n] of sizes) {
      for (const transposes of KINDS) check(harness, { m, k, n, transposes, bias: true });
    }
    harness.stop();
  });

  Deno.test(`${suffix} f32_gemm multiplies matrices that lie between others`, async () => {
    const harness = await start(suffix);
    for (const [m, k, n] of [[5, 9, 11], [20, 13, 17], [100, 16, 100]]) {
      for (const transposes of KINDS) {
        for (const sharedB of [false, true]) {
          check(harness, { m, k, n, transposes, batch: 3, heads: 2, sharedB, bias: true });
          check(harness, { m, k, n, transposes, batch: 2, sharedB });
        }
      }
    }
    harness.stop();
  });

  Deno.test(`${suffix} f32_gemm adds a bias, keeps the preactivation and activates`, async () => {
    const harness = await start(suffix);
    for (const [m, k, n] of [[3, 40, 13], [25, 400, 37], [16, 4000, 11]]) {
      for (const activation of ACTIVATIONS) {
        for (const preactivation of [false, true]) {
          const product = { m, k, n, transposes: "ABt" as const, bias: true, preactivation };
          check(harness, { ...product, activation }, ACTIVATION_TOLERANCE);
        }
      }
    }
    harness.stop();
  });

  Deno.test(`${suffix} f32_gemm of no inner dimension is the activated bias`, async () => {
    const harness = await start(suffix);
    for (const m of [3, 40]) {
      check(harness, { m, k: 0, n: 9, transposes: "AB", bias: true, activation: "tanh" }, 1e-6);
    }
    for (const empty of [{ m: 0, k: 3, n: 4 }, { m: 20, k: 3, n: 0 }, { m: 4, k: 3, n: 0 }]) {
      check(harness, { ...empty, transposes: "AB" });
    }
    harness.stop();
  });
}

Deno.test("f32_gemm gives the same bits on one, two and four threads", async () => {
  const harnesses = await Promise.all([1, 2, 4].map((threads) => start("relaxed", threads)));
  for (const [m, k, n] of [[16, 5000, 40], [8, 4800, 100], [200, 700, 300], [97, 31, 500]]) {
    for (const transposes of KINDS) {
      const [one, ...more] = harnesses.map((harness) => {
        const mark = harness.release();
        const placed = placeProduct(harness, { m, k, n, transposes, bias: true });
        harness.runOperation("f32_gemm", placed.params);
        harness.release(mark);
        return placed.c.slice();
      });
      for (const other of more) assertEquals(other, one, `${m}×${k}×${n} ${transposes}`);
    }
  }
  for (const harness of harnesses) harness.stop();
});

Deno.test("the float64 references of the activations have known values", () => {
  const near = (found: number, known: number) => assert(Math.abs(found - known) < 1e-14 * known);
  near(erf(0.5), 0.5204998778130465);
  near(erf(2), 0.9953222650189527);
  near(erf(3.5), 0.9999992569016276);
  near(activate(1, "gelu"), 0.8413447460685429);
  near(activate(1, "softplus"), 1.3132616875182228);
});
