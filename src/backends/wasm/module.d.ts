/** Types of module_relaxed.js and module_simd128.js. */
/** The compiled kernel module; instantiating it is what takes permission, time or memory, not this. */
export declare const module: WebAssembly.Module;
