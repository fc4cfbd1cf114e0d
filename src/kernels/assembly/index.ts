// What the WASM builds export; src/kernels/kernels.ts is the same list as the host sees it.
export { findInvalidTarget } from "./targets";
