// The part of koffi that is used: the one way to functions of native libraries. An optional dependency, loaded when the
// first of them is wanted; its own types may be missing.
import { createRequire } from 'node:module';

export interface Koffi {
  /** global: its symbols are seen by libraries that are loaded later. */
  load(path: string | null, options?: { readonly global?: boolean }): NativeLibrary;
  address(view: ArrayBufferView): bigint;
  decode(address: bigint, type: string, length: number): unknown;
}
export interface NativeLibrary {
  func(name: string, result: string, parameters: readonly string[]): NativeFunction;
  symbol(name: string): bigint;
}
export type NativeFunction = (...values: readonly unknown[]) => unknown;

/** Throws where it is not installed. */
export const loadKoffi = (): Koffi => createRequire(import.meta.url)('koffi') as Koffi;
