// @ts-self-types="./module.d.ts"
/** The kernel module for engines without relaxed SIMD. */
import source module from "../../../wasm/dist/recvae.simd128.wasm";
export { module };
