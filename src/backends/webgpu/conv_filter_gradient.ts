/** The convolution's filter gradient on the GPU: partial gradients of ranges of rows, then their sum. */
import type { tf } from "../../deps/tfjs.ts";
import type { ConvAttributes, Triple } from "../kernel_contract.ts";
import {
  channelTile,
  generalFilterGradient,
  halvingFilterGradient,
  halvingFilterGradientOneChannel,
  WORKGROUP,
} from "./conv_filter_gradient_shader.ts";
import type { DeviceBackend } from "./device_backend.ts";
import {
  type ConvGeometry,
  convGeometry,
  generalValues,
  geometryValues,
  isHalving,
  requireOutputShape,
  spatialSize,
  valuesPerSample,
} from "./geometry.ts";
import { bindValues, splitItems } from "./parts.ts";
import { sumOverRows } from "./row_sums.ts";

/** Output positions per range; a range is a whole number of rows. */
const POSITIONS_PER_RANGE = 4096;

/** Memory that the partial gradients of one call may take. */
const PARTIAL_BYTES = 32 * 2 ** 20;

/**
 * dw from x and dy (kernel contract, `runConv3dFilterGradient`).
 *
 * @param backend Of the device.
 * @param inputs x and dy.
 * @param attributes Geometry with the kernel's size.
 */
export function conv3dFilterGradient(
  backend: DeviceBackend,
  inputs: { x: tf.TensorInfo; dy: tf.TensorInfo },
  attributes: ConvAttributes & { readonly kernel: Triple },
): tf.TensorInfo {
  const { x, dy } = inputs;
  const geometry = convGeometry({
    samples: x.shape[0],
    input: spatialSize(x, 1),
    kernel: attributes.kernel,
    inputChannels: x.shape[4],
    outputChannels: dy.shape[4],
  }, attributes);
  requireOutputShape(geometry, dy.shape);
  const shape = [...geometry.kernel, geometry.inputChannels, geometry.outputChannels];
  const size = shape.reduce((product, n) => product * n, 1);
  const positions = geometry.output[0] * geometry.output[1] * geometry.output[2];
  if (geometry.samples * positions * size === 0) {
    const zero = backend.allocate(shape);
    backend.clear(zero);
    return zero;
  }
  const { partial, ranges } = partialGradients(backend, inputs, geometry, size);
  return sumOverRows(backend, partial, [ranges, size], shape);
}

/** Fills `[ranges, size]` with the gradients of all ranges of rows. */
function partialGradients(
  backend: DeviceBackend,
  { x, dy }: { x: tf.TensorInfo; dy: tf.TensorInfo },
  geometry: ConvGeometry,
  size: number,
): { partial: tf.TensorInfo; ranges: number } {
  const limits = backend.bindingLimits;
  const inValues = valuesPerSample(geometry.input, geometry.inputChannels);
  const outValues = valuesPerSample(geometry.output, geometry.outputChannels);
  const pieces = splitItems(geometry.samples, [inValues, outValues], limits);
  const perSample = geometry.output[0] * geometry.output[1];
  const rowsPerRange = rowsInRange(geometry, size, pieces.length);
  const rangesOf = pieces.map(([first, end]) =>
    Math.ceil((end - first) * perSample / rowsPerRange)
  );
  const ranges = rangesOf.reduce((sum, n) => sum + n, 0);
  const partial = backend.allocate([ranges, size]);
  let firstRange = 0;
  pieces.forEach(([first, end], i) => {
    const from = bindValues(x, [first * inValues, end * inValues], limits);
    const gradient = bindValues(dy, [first * outValues, end * outValues], limits);
    const run = chooseRun(geometry);
    backend.dispatch({
      ...run(geometry, end - first, [from.base, gradient.base], {
        rows: (end - first) * perSample,
        rowsPerRange,
        ranges: rangesOf[i],
        firstRange,
      }),
      buffers: [from, gradient, { tensor: partial }],
    });
    firstRange += rangesOf[i];
  });
  return { partial, ranges };
}

/** Rows per range, so that ranges are long enough to be worth it and their results fit the memory. */
function rowsInRange(geometry: ConvGeometry, size: number, pieces: number): number {
  const rows = geometry.samples * geometry.output[0] * geometry.output[1];
  const most = Math.max(1, Math.floor(PARTIAL_BYTES / (4 * size)) - pieces);
  return Math.max(1, Math.ceil(POSITIONS_PER_RANGE / geometry.output[2]), Math.ceil(rows / most));
}

type Bases = readonly [x: number, dy: number];

interface RangeValues {
  readonly rows: number;
  readonly rowsPerRange: number;
  readonly ranges: number;
  readonly firstRange: number;
}

function chooseRun(geometry: ConvGeometry) {
  const { inputChannels, outputChannels } = geometry;
  if (!isHalving(geometry) || outputChannels % 4 !== 0) return generalRun;
  if (inputChannels === 1) return oneChannelRun;
  return inputChannels % 4 === 0 ? tunedRun : generalRun;
}

function generalRun(
  geometry: ConvGeometry,
  samples: number,
  [xBase, dyBase]: Bases,
  values: RangeValues,
) {
  const { kernel, inputChannels, outputChannels } = geometry;
  const size = valuesPerSample(kernel, inputChannels * outputChannels);
  return {
    shader: generalFilterGradient(),
    uniforms: { ...generalValues(geometry, samples), xBase, dyBase, ...values },
    workgroups: values.ranges * Math.ceil(size / WORKGROUP),
  };
}

function tunedRun(
  geometry: ConvGeometry,
  samples: number,
  [xBase, dyBase]: Bases,
  values: RangeValues,
) {
  const { inputChannels, outputChannels } = geometry;
  const tiles = (inputChannels / 4) * (outputChannels / channelTile(outputChannels));
  return {
    shader: halvingFilterGradient(inputChannels, outputChannels),
    uniforms: {
      ...geometryValues(geometry, samples),
      xBase: xBase / 4,
      dyBase: dyBase / 4,
      ...values,
    },
    workgroups: values.ranges * tiles,
  };
}

function oneChannelRun(
  geometry: ConvGeometry,
  samples: number,
  [xBase, dyBase]: Bases,
  values: RangeValues,
) {
  const { outputChannels } = geometry;
  return {
    shader: halvingFilterGradientOneChannel(outputChannels),
    uniforms: { ...geometryValues(geometry, samples), xBase, dyBase: dyBase / 4, ...values },
    workgroups: values.ranges * (outputChannels / 4),
  };
}
