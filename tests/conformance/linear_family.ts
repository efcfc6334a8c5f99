/** The linear layer, its gradient, and batched matrix products in the battery. */
import { RandomStream } from "../../src/base/random.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { linear, linearGradient } from "../../src/ops/linear.ts";
import { between, normalArray, pick } from "../support/random_arrays.ts";
import { type Case, type CaseInputs, type Family, upload } from "./battery.ts";
import { fromSquares } from "./rounding.ts";

/** linear, linearGradient and tf.matMul with every combination of transposes, one after the other. */
export const LINEAR: Family = {
  name: "linear layers and matrix products",
  cases: (count) =>
    Array.from({ length: count }, (_, i) => [forwardCase, gradientCase, productCase][i % 3](i)),
};

const WIDTHS = [1, 2, 3, 4, 5, 7, 8, 10, 16, 17, 31, 32, 33, 64, 100, 110];

function draw(i: number) {
  const random = RandomStream.fromSeed(i).split("linear");
  const large = i % 30 === 0;
  return {
    random,
    rows: i % 29 === 7 ? 0 : large ? 4 : between(random, 1, 33),
    inner: large ? 4800 : pick(random, WIDTHS),
    columns: large ? 100 : pick(random, WIDTHS),
  };
}

function forwardCase(i: number): Case {
  const { random, rows, inner, columns } = draw(i);
  const inputs = {
    x: normalArray(random, [rows, inner]),
    weight: normalArray(random, [columns, inner]),
    bias: normalArray(random, [columns]),
  };
  return productsCase(`linear [${rows}, ${inner}] → ${columns}`, inputs, {
    terms: [inner + 1],
    run: ({ x, weight, bias }) => [linear(x, weight, { bias })],
  });
}

function gradientCase(i: number): Case {
  const { random, rows, inner, columns } = draw(i);
  const inputs = {
    x: normalArray(random, [rows, inner]),
    weight: normalArray(random, [columns, inner]),
    dy: normalArray(random, [rows, columns]),
  };
  return productsCase(`linearGradient [${rows}, ${inner}] → ${columns}`, inputs, {
    terms: [columns, rows, rows],
    run({ x, weight, dy }) {
      const { dx, dWeight, dBias } = linearGradient(dy, { x, weight });
      return [dx, dWeight, dBias];
    },
  });
}

function productCase(i: number): Case {
  const { random, inner, columns, ...drawn } = draw(i);
  const rows = Math.max(1, drawn.rows);
  const [transposeA, transposeB] = [random.uniform() < 0.5, random.uniform() < 0.5];
  const batch = pick(random, [[], [1], [2], [3, 2]]);
  const inputs = {
    a: normalArray(random, [...batch, ...(transposeA ? [inner, rows] : [rows, inner])]),
    b: normalArray(random, [...batch, ...(transposeB ? [columns, inner] : [inner, columns])]),
  };
  const label = `matMul [${inputs.a.shape}]${transposeA ? "ᵀ" : ""} × [${inputs.b.shape}]` +
    (transposeB ? "ᵀ" : "");
  return productsCase(label, inputs, {
    terms: [inner],
    run: ({ a, b }) => [tf.matMul(a, b, transposeA, transposeB)],
  });
}

/** A case whose results are sums of `terms[r]` products. */
function productsCase(
  label: string,
  inputs: CaseInputs,
  { terms, run }: { terms: readonly number[]; run: Case["run"] },
): Case {
  const squares: CaseInputs = Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape }]) => [
      name,
      { data: data.map((v) => v * v), shape },
    ]),
  );
  return {
    label,
    inputs,
    run,
    tolerances() {
      const sums = tf.tidy(() => run(upload(squares)).map((tensor) => tf.keep(tensor)));
      const result = sums.map((tensor, r) => fromSquares(tensor.dataSync(), terms[r]));
      tf.dispose(sums);
      return result;
    },
  };
}
