/** The convolution on the GPU: chooses the shader and cuts the samples so that every piece can be bound. */
import type { tf } from "../../deps/tfjs.ts";
import type { ConvAttributes } from "../kernel_contract.ts";
import {
  channelTile,
  COLUMN,
  generalForward,
  halvingForward,
  WORKGROUP,
} from "./conv_forward_shader.ts";
import type { DeviceBackend } from "./device_backend.ts";
import {
  type ConvGeometry,
  convGeometry,
  generalValues,
  geometryValues,
  isHalving,
  spatialSize,
  valuesPerSample,
} from "./geometry.ts";
import { bindValues, splitItems } from "./parts.ts";

/**
 * y = convolution of x (kernel contract, `runConv3d`).
 *
 * @param backend Of the device.
 * @param inputs x, filter and perhaps bias.
 * @param attributes Stride, padding.
 */
export function conv3d(
  backend: DeviceBackend,
  inputs: { x: tf.TensorInfo; filter: tf.TensorInfo; bias?: tf.TensorInfo },
  attributes: ConvAttributes,
): tf.TensorInfo {
  const { x, filter, bias } = inputs;
  const geometry = convGeometry({
    samples: x.shape[0],
    input: spatialSize(x, 1),
    kernel: spatialSize(filter, 0),
    inputChannels: filter.shape[3],
    outputChannels: filter.shape[4],
  }, attributes);
  const y = backend.allocate([geometry.samples, ...geometry.output, geometry.outputChannels]);
  const limits = backend.bindingLimits;
  const inValues = valuesPerSample(geometry.input, geometry.inputChannels);
  const outValues = valuesPerSample(geometry.output, geometry.outputChannels);
  if (outValues === 0) return y;
  for (const [first, end] of splitItems(geometry.samples, [inValues, outValues], limits)) {
    const from = bindValues(x, [first * inValues, end * inValues], limits);
    const to = bindValues(y, [first * outValues, end * outValues], limits);
    // A binding cannot stay empty; without a bias the shader does not read it.
    const buffers = [from, { tensor: filter }, { tensor: bias ?? filter }, to];
    const run = isTuned(geometry) ? tunedRun : generalRun;
    backend.dispatch({
      ...run(geometry, end - first, [from.base, to.base], bias != null),
      buffers,
    });
  }
  return y;
}

function isTuned(geometry: ConvGeometry): boolean {
  const { inputChannels, outputChannels } = geometry;
  return isHalving(geometry) && outputChannels % 4 === 0 &&
    (inputChannels === 1 || inputChannels % 4 === 0);
}

type Bases = readonly [x: number, y: number];

function generalRun(geometry: ConvGeometry, samples: number, [xBase, yBase]: Bases, bias: boolean) {
  const work = samples * valuesPerSample(geometry.output, geometry.outputChannels);
  return {
    shader: generalForward(),
    uniforms: { ...generalValues(geometry, samples), xBase, yBase, work, hasBias: bias ? 1 : 0 },
    workgroups: Math.ceil(work / WORKGROUP),
  };
}

function tunedRun(geometry: ConvGeometry, samples: number, [xBase, yBase]: Bases, bias: boolean) {
  const { inputChannels, outputChannels, output } = geometry;
  const columns = Math.ceil(output[1] / COLUMN);
  const tiles = outputChannels / channelTile(outputChannels);
  const work = samples * output[0] * columns * output[2] * tiles;
  const width = inputChannels % 4 === 0 ? 4 : 1;
  return {
    shader: halvingForward(inputChannels, outputChannels),
    uniforms: {
      ...geometryValues(geometry, samples),
      xBase: xBase / width,
      yBase: yBase / 4,
      work,
      hasBias: bias ? 1 : 0,
    },
    workgroups: Math.ceil(work / WORKGROUP),
  };
}
