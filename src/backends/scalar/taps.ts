/** The maps of tap_contract.ts in plain loops. */
import type { FloatArray } from "../../base/arrays.ts";
import { sampleValues, type TapMap } from "../tap_contract.ts";

/** Calls `place` for every place of the result and `tap` for each of its taps. */
interface Walk {
  /**
   * @param to First value of the place in the result.
   */
  place(to: number): void;
  /**
   * @param from First value in the source.
   * @param weights Of the three axes.
   */
  tap(to: number, from: number, weights: readonly [number, number, number]): void;
}

function walk(map: TapMap, visit: Walk): void {
  const [z, y, x] = map.axes;
  const { input, output } = sampleValues(map);
  for (let n = 0; n < map.samples; n++) {
    for (let a = 0; a < z.to.length; a++) {
      for (let b = 0; b < y.to.length; b++) {
        for (let c = 0; c < x.to.length; c++) {
          const to = n * output + z.to[a] + y.to[b] + x.to[c];
          visit.place(to);
          for (let i = z.first[a]; i < z.first[a + 1]; i++) {
            for (let j = y.first[b]; j < y.first[b + 1]; j++) {
              for (let k = x.first[c]; k < x.first[c + 1]; k++) {
                const from = n * input + z.at[z.source[i]] + y.at[y.source[j]] + x.at[x.source[k]];
                visit.tap(to, from, [z.weight[i], y.weight[j], x.weight[k]]);
              }
            }
          }
        }
      }
    }
  }
}

/**
 * Σ of weighted taps.
 *
 * @param y Zeroed, filled.
 * @param x The source.
 * @param map The taps.
 */
export function tapSum(y: FloatArray, x: FloatArray, map: TapMap): void {
  const sums = new Float64Array(map.inner);
  let last = -1;
  const flush = () => {
    if (last >= 0) y.set(sums, last);
  };
  walk(map, {
    place(to) {
      flush();
      sums.fill(0);
      last = to;
    },
    tap(_, from, [u, v, w]) {
      const weight = u * v * w;
      for (let c = 0; c < map.inner; c++) sums[c] += weight * x[from + c];
    },
  });
  flush();
}

/**
 * The largest tap and which it was.
 *
 * @param results Filled.
 * @param x The source.
 * @param map The taps.
 */
export function tapMaximum(
  results: { readonly y: FloatArray; readonly winner: FloatArray },
  x: FloatArray,
  map: TapMap,
): void {
  const { y, winner } = results;
  walk(map, {
    place(to) {
      y.fill(-Infinity, to, to + map.inner);
      winner.fill(-1, to, to + map.inner);
    },
    tap(to, from, [u, v, w]) {
      for (let c = 0; c < map.inner; c++) {
        const value = x[from + c];
        const first = winner[to + c] < 0;
        if (!first && !(value > y[to + c]) && !Number.isNaN(value)) continue;
        y[to + c] = value;
        winner[to + c] = u + v + w;
      }
    },
  });
}

/**
 * Σ dy of the places that a value won.
 *
 * @param dx Zeroed, filled.
 * @param task dy and winners.
 * @param map Transposed.
 */
export function tapMaximumGradient(
  dx: FloatArray,
  task: { readonly dy: FloatArray; readonly winner: FloatArray },
  map: TapMap,
): void {
  const { dy, winner } = task;
  walk(map, {
    place() {},
    tap(to, from, [u, v, w]) {
      for (let c = 0; c < map.inner; c++) {
        if (winner[from + c] === u + v + w) dx[to + c] += dy[from + c];
      }
    },
  });
}
