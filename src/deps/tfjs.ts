/**
 * TensorFlow.js: tensors, the gradient tape, the plain CPU engine and the kernel registry.
 *
 * The union package is used because `@tensorflow/tfjs-core` alone has no gradients registered under
 * Deno. The specifier is inline: a module that is imported by URL ignores its own import map.
 */
export * as tf from "npm:@tensorflow/tfjs@4.22.0";
