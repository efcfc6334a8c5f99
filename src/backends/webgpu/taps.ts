/** Sparse linear maps along axes (tap_contract.ts) and sums of rows by segment, on the GPU. */
import type { tf } from "../../deps/tfjs.ts";
import { sampleValues, type TapMap } from "../tap_contract.ts";
import type { DeviceBackend } from "./device_backend.ts";
import { bindValues, splitItems } from "./parts.ts";
import { WORKGROUP } from "./row_units.ts";
import { segmentSumShader, type TapMode, tapShader } from "./taps_shader.ts";

/**
 * Σ of weighted taps (`runTapSum`).
 *
 * @param backend Of the device.
 * @param inputs `x`.
 * @param map The taps.
 */
export function tapSum(
  backend: DeviceBackend,
  { x }: { x: tf.TensorInfo },
  map: TapMap,
): tf.TensorInfo {
  const y = backend.allocate(map.outputShape);
  runTaps(backend, map, { mode: "sum", x, y });
  return y;
}

/**
 * The largest taps and which they were (`runTapMaximum`).
 *
 * @param backend Of the device.
 * @param inputs `x`.
 */
export function tapMaximum(
  backend: DeviceBackend,
  { x }: { x: tf.TensorInfo },
  map: TapMap,
): tf.TensorInfo[] {
  const y = backend.allocate(map.outputShape);
  const winner = backend.allocate(map.outputShape);
  runTaps(backend, map, { mode: "largest", x, y, winner });
  return [y, winner];
}

/**
 * Gradient of {@link tapMaximum}.
 *
 * @param backend Of the device.
 * @param inputs dy as `x`, and `winner`.
 */
export function tapMaximumGradient(
  backend: DeviceBackend,
  { x, winner }: { x: tf.TensorInfo; winner: tf.TensorInfo },
  map: TapMap,
): tf.TensorInfo {
  const y = backend.allocate(map.outputShape);
  runTaps(backend, map, { mode: "gradient", x, y, winner });
  return y;
}

interface Task {
  readonly mode: TapMode;
  readonly x: tf.TensorInfo;
  readonly y: tf.TensorInfo;
  readonly winner?: tf.TensorInfo;
}

function runTaps(backend: DeviceBackend, map: TapMap, { mode, x, y, winner }: Task): void {
  const { input, output } = sampleValues(map);
  if (map.samples === 0 || output === 0) return;
  if (input === 0) {
    backend.clear(y);
    return;
  }
  const { words, fields } = tablesOf(map);
  const table = backend.makeTensorInfo([words.length], "int32", words);
  const limits = backend.bindingLimits;
  for (const [first, end] of splitItems(map.samples, [input, output], limits)) {
    const from = bindValues(x, [first * input, end * input], limits);
    const to = bindValues(y, [first * output, end * output], limits);
    const each = mode === "largest" ? output : input;
    const mark = winner ? bindValues(winner, [first * each, end * each], limits) : null;
    const work = (end - first) * output;
    backend.dispatch({
      shader: tapShader(mode),
      buffers: [from, { tensor: table }, ...(mark ? [mark] : []), to],
      uniforms: {
        ...fields,
        xBase: from.base,
        yBase: to.base,
        winnerBase: mark?.base ?? 0,
        work,
        inner: map.inner,
        fromSample: input,
        toSample: output,
      },
      workgroups: Math.ceil(work / WORKGROUP),
    });
  }
  backend.disposeData(table.dataId);
}

type Axis = "0" | "1" | "2";
type TableField = `${"places" | "first" | "from" | "weight" | "to"}${Axis}`;

/** All tables in one array of words, weights by their bits, and where each begins. */
function tablesOf(map: TapMap): { words: Int32Array; fields: Record<TableField, number> } {
  const fields: Record<string, number> = {};
  const parts: Int32Array[] = [];
  let length = 0;
  const put = (name: string, part: Int32Array) => {
    fields[name] = length;
    parts.push(part);
    length += part.length;
  };
  map.axes.forEach(({ first, source, weight, at, to }, axis) => {
    fields[`places${axis}`] = to.length;
    put(`first${axis}`, first);
    put(`from${axis}`, source.map((q) => at[q]));
    put(`weight${axis}`, new Int32Array(Float32Array.from(weight).buffer));
    put(`to${axis}`, to);
  });
  const words = new Int32Array(length);
  let begin = 0;
  for (const part of parts) {
    words.set(part, begin);
    begin += part.length;
  }
  return { words, fields };
}

/** The stock operation "UnsortedSegmentSum" in one run, instead of several for each segment. */
export function unsortedSegmentSum(
  backend: DeviceBackend,
  { x, segmentIds }: { x: tf.TensorInfo; segmentIds: tf.TensorInfo },
  { numSegments }: { readonly numSegments: number },
): tf.TensorInfo {
  const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
  const rows = segmentIds.shape.reduce((product, n) => product * n, 1);
  const work = shape.reduce((product, n) => product * n, 1);
  const y = backend.allocate(shape);
  if (work === 0) return y;
  if (rows === 0) {
    backend.clear(y);
    return y;
  }
  backend.dispatch({
    shader: segmentSumShader(),
    buffers: [x, segmentIds, y].map((tensor) => ({ tensor })),
    uniforms: { rows, inner: work / numSegments, work },
    workgroups: Math.ceil(work / WORKGROUP),
  });
  return y;
}
