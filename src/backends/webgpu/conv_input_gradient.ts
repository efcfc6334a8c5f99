/** The convolution's input gradient on the GPU, which is the forward pass of the transposed convolution. */
import type { tf } from "../../deps/tfjs.ts";
import type { ConvAttributes, Triple } from "../kernel_contract.ts";
import {
  CELLS,
  generalInputGradient,
  halvingInputGradient,
  WORKGROUP,
} from "./conv_input_gradient_shader.ts";
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

/**
 * dx from dy (kernel contract, `runConv3dInputGradient`).
 *
 * @param backend Of the device.
 * @param inputs dy and filter.
 * @param attributes Geometry with the size of x.
 */
export function conv3dInputGradient(
  backend: DeviceBackend,
  inputs: { dy: tf.TensorInfo; filter: tf.TensorInfo },
  attributes: ConvAttributes & { readonly inputSize: Triple },
): tf.TensorInfo {
  const { dy, filter } = inputs;
  const geometry = convGeometry({
    samples: dy.shape[0],
    input: attributes.inputSize,
    kernel: spatialSize(filter, 0),
    inputChannels: filter.shape[3],
    outputChannels: filter.shape[4],
  }, attributes);
  requireOutputShape(geometry, dy.shape);
  const dx = backend.allocate([geometry.samples, ...geometry.input, geometry.inputChannels]);
  const limits = backend.bindingLimits;
  const inValues = valuesPerSample(geometry.input, geometry.inputChannels);
  const outValues = valuesPerSample(geometry.output, geometry.outputChannels);
  if (outValues === 0) {
    backend.clear(dx);
    return dx;
  }
  for (const [first, end] of splitItems(geometry.samples, [inValues, outValues], limits)) {
    const from = bindValues(dy, [first * outValues, end * outValues], limits);
    const to = bindValues(dx, [first * inValues, end * inValues], limits);
    const run = isTuned(geometry) ? tunedRun : generalRun;
    backend.dispatch({
      ...run(geometry, end - first, [from.base, to.base]),
      buffers: [from, { tensor: filter }, to],
    });
  }
  return dx;
}

function isTuned(geometry: ConvGeometry): boolean {
  const { inputChannels, outputChannels } = geometry;
  return isHalving(geometry) && outputChannels % 4 === 0 &&
    (inputChannels === 1 || inputChannels % 4 === 0);
}

type Bases = readonly [dy: number, dx: number];

function generalRun(geometry: ConvGeometry, samples: number, [dyBase, dxBase]: Bases) {
  const work = samples * valuesPerSample(geometry.input, geometry.inputChannels);
  return {
    shader: generalInputGradient(),
    uniforms: { ...generalValues(geometry, samples), dyBase, dxBase, work },
    workgroups: Math.ceil(work / WORKGROUP),
  };
}

function tunedRun(geometry: ConvGeometry, samples: number, [dyBase, dxBase]: Bases) {
  const { inputChannels, outputChannels, input, padding } = geometry;
  const cells = (a: 0 | 1 | 2) =>
    Math.floor((input[a] - 1 + padding[a]) / 2) - Math.floor(padding[a] / 2) + 1;
  const width = inputChannels % 4 === 0 ? 4 : 1;
  const strips = Math.ceil(cells(1) / CELLS);
  const work = samples * cells(0) * strips * cells(2) * (inputChannels / width);
  return {
    shader: halvingInputGradient(inputChannels, outputChannels),
    uniforms: {
      ...geometryValues(geometry, samples),
      dyBase: dyBase / 4,
      dxBase: dxBase / width,
      work,
    },
    workgroups: Math.ceil(work / WORKGROUP),
  };
}
