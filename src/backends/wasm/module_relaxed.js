// @ts-self-types="./module.d.ts"
/** The kernel module for engines with relaxed SIMD. TypeScript cannot parse this import; hence JavaScript. */
import source module from "../../../wasm/dist/recvae.relaxed.wasm";
export { module };
