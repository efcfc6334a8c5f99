/**
 * TensorFlow.js: tensors, the gradient tape, the kernel registry, and the plain CPU engine.
 *
 * Only these two of its packages: the union package brings a hundred others. It would also register the
 * gradients of the stock kernels and the methods that chain operations (`x.add(y)`); the library needs
 * neither. The specifiers are inline: a module that is imported by URL ignores its own import map.
 */
import "npm:@tensorflow/tfjs-backend-cpu@4.22.0";
/** Tensors, variables, the gradient tape and the stock operations. */
export * as tf from "npm:@tensorflow/tfjs-core@4.22.0";
