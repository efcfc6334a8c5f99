/**
 * The WebGPU engine of TensorFlow.js. Importing it registers kernels and a factory named "webgpu", so it
 * is imported only when that engine is started (a dynamic import of a module that imports this one).
 */
export { WebGPUBackend } from "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";
