/**
 * What a GPU can do at best through WebGPU: bytes per second of a plain copy, and multiply-adds per second of
 * a shader that never leaves its registers. Measured with the engine's own dispatch, in the same run as
 * whatever is compared with them.
 */
import { makeShader } from "../src/backends/webgpu/shader.ts";
import type { DeviceBackend } from "../src/backends/webgpu/device_backend.ts";
import { milliseconds } from "./measurements.ts";

/** Ceilings of a device. */
export interface GpuCeilings {
  /** 10⁹ bytes read plus written per second. */
  readonly gigabytesPerSecond: number;
  /** 10⁹ floating-point operations per second; a multiply-add counts as two. */
  readonly gigaflops: number;
}

const WORKGROUP = 256;
/** Independent chains of multiply-adds per invocation, enough to hide their latency. */
const CHAINS = 16;

const copyShader = makeShader({
  label: "bench copy",
  fields: { vectors: "u32", stride: "u32" },
  workgroupSize: WORKGROUP,
  buffers: { origin: ["vec4<f32>", "read"], to: ["vec4<f32>", "write"] },
  body: () => `
  for (var i = block * ${WORKGROUP}u + lane; i < u.vectors; i += u.stride) { to[i] = origin[i]; }`,
});

const multiplyAddShader = makeShader({
  label: "bench multiply-add",
  fields: { rounds: "u32", factor: "f32" },
  workgroupSize: WORKGROUP,
  buffers: { result: ["f32", "write"] },
  body: () => {
    const chains = Array.from({ length: CHAINS }, (_, i) => i);
    return `
  let id = block * ${WORKGROUP}u + lane;
${chains.map((i) => `  var a${i} = f32(id + ${i}u);`).join("\n")}
  for (var round = 0u; round < u.rounds; round++) {
${chains.map((i) => `    a${i} = a${i} * u.factor + 0.5;`).join("\n")}
  }
  result[id] = ${chains.map((i) => `a${i}`).join(" + ")};`;
  },
});

/**
 * Measures both ceilings; about a second on a GPU.
 *
 * @param backend Of a started engine.
 * @param options.software Smaller sizes, for adapters on the CPU.
 */
export async function measureCeilings(
  backend: DeviceBackend,
  { software }: { readonly software: boolean },
): Promise<GpuCeilings> {
  return {
    gigabytesPerSecond: await copyRate(backend, software ? 2 ** 22 : 2 ** 27),
    gigaflops: await multiplyAddRate(backend, software),
  };
}

async function copyRate(backend: DeviceBackend, values: number): Promise<number> {
  const limit = backend.device.limits.maxStorageBufferBindingSize / 4;
  const count = Math.min(values, Math.floor(limit / 4) * 4);
  const [origin, to] = [backend.allocate([count]), backend.allocate([count])];
  const workgroups = Math.min(16_384, count / 4 / WORKGROUP);
  const repeats = 8;
  const ms = await best(backend, () => {
    for (let i = 0; i < repeats; i++) {
      backend.dispatch({
        shader: copyShader,
        buffers: [{ tensor: origin }, { tensor: to }],
        uniforms: { vectors: count / 4, stride: workgroups * WORKGROUP },
        workgroups,
      });
    }
  });
  backend.disposeData(origin.dataId);
  backend.disposeData(to.dataId);
  return repeats * 2 * 4 * count / ms / 1e6;
}

async function multiplyAddRate(backend: DeviceBackend, software: boolean): Promise<number> {
  const workgroups = software ? 64 : 16_384;
  const rounds = software ? 1_000 : 4_000;
  const result = backend.allocate([workgroups * WORKGROUP]);
  const ms = await best(backend, () =>
    backend.dispatch({
      shader: multiplyAddShader,
      buffers: [{ tensor: result }],
      uniforms: { rounds, factor: 0.999 },
      workgroups,
    }));
  backend.disposeData(result.dataId);
  return 2 * CHAINS * rounds * workgroups * WORKGROUP / ms / 1e6;
}

/** Least time of five runs, each awaited to its end. */
async function best(backend: DeviceBackend, body: () => void): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 6; i++) {
    times.push(
      await milliseconds(async () => {
        body();
        await backend.finished();
      }),
    );
  }
  return Math.min(...times.slice(1));
}
