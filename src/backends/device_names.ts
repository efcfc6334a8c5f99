/** Names of devices and makers that people give where the name of an engine is needed. */

const DEVICE = /gpu|nvidia|amd|metal|mps|vulkan|rocm|opencl|hip|directx/i;

/**
 * What to say to somebody who names a kind of device instead of an engine.
 *
 * @param name As given.
 * @returns Words for the end of a sentence, or undefined when it names no device.
 */
export function explainDevice(name: string): string | undefined {
  if (!DEVICE.test(name)) return undefined;
  return 'GPUs are used by "webgpu" (any maker) and "cuda" (NVIDIA, after recvae backends install-tensorflow); ' +
    '"auto" takes a GPU that is there, and recvae backends shows what is';
}
