// Whether this CPU rounds the fast build's multiply-adds once, as that on which its results were recorded.
import { WebAssembly } from '#softshard/kernels/webassembly.js';

/** (func (export "f") (param f32 f32 f32) (result f32) …): f32x4.relaxed_madd of the three, splat; its first lane. */
const RELAXED_MADD = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x08, 0x01, 0x60, 0x03, 0x7d, 0x7d, 0x7d, 0x01, 0x7d],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00],
  ...[0x0a, 0x16, 0x01, 0x14, 0x00],
  ...[0x20, 0x00, 0xfd, 0x13, 0x20, 0x01, 0xfd, 0x13, 0x20, 0x02, 0xfd, 0x13],
  ...[0xfd, 0x85, 0x02, 0xfd, 0x1f, 0x00, 0x0b],
]);

/** For runtimes that have relaxed SIMD. */
export function isFused(): boolean {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED_MADD), {});
  const { f } = exports as { f(a: number, b: number, c: number): number };
  const a = 1 + 2 ** -12;
  // a² = 1 + 2^-11 + 2^-24, whose last term is lost where the product is rounded.
  return f(a, a, -(1 + 2 ** -11)) === 2 ** -24;
}
