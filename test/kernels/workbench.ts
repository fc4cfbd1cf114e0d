// Kernel tests without an engine: one memory, a bump allocator and every build that this runtime can run.

import type { Kernels } from '#softshard/kernels/kernels.js';
import { HEAP_BASE } from '#softshard/kernels/layout.js';
import {
  compileKernels,
  instantiateKernels,
  leavingKernels,
  NUMERICS,
  type Numerics,
  supportsNumerics,
} from '#softshard/kernels/load.js';
import type { Ptr } from '#softshard/kernels/ptr.js';
import { type SharedMemory, WebAssembly } from '#softshard/kernels/webassembly.js';
import { supportsWideSimd } from '#softshard/kernels/wide-simd.js';

/** The builds to run a suite on: describe.each(builds)('… (%s)', (numerics) => …). */
export const builds: readonly Numerics[] = NUMERICS.filter(supportsNumerics);

/** As engines decide by default, so that SOFTSHARD_WIDE_SIMD=1 runs every suite on wide kernels. */
const wideSimd = process.env.SOFTSHARD_WIDE_SIMD === '1' && supportsWideSimd();

export class Workbench {
  readonly kernels: Kernels;
  readonly #memory: SharedMemory;
  #next = HEAP_BASE;

  constructor(numerics: Numerics, pages = 4096) {
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
    // Between its calls references compute.
    this.kernels = leavingKernels(instantiateKernels(compileKernels(numerics, wideSimd), this.#memory));
  }

  /** Forgets all allocations (their contents stay). */
  reset(): void {
    this.#next = HEAP_BASE;
  }

  /** `offsetBytes` shifts the address off its 16-byte alignment. */
  allocate(bytes: number, offsetBytes = 0): Ptr {
    const ptr = (this.#next + offsetBytes) as Ptr;
    this.#next = (ptr + bytes + 15) & ~15;
    if (this.#next > this.#memory.buffer.byteLength) throw new RangeError('workbench memory is full');
    return ptr;
  }

  float32(ptr: Ptr, length: number): Float32Array {
    return new Float32Array(this.#memory.buffer, ptr, length);
  }

  float64(ptr: Ptr, length: number): Float64Array {
    return new Float64Array(this.#memory.buffer, ptr, length);
  }

  bytes(ptr: Ptr, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, ptr, length);
  }

  int32(ptr: Ptr, length: number): Int32Array {
    return new Int32Array(this.#memory.buffer, ptr, length);
  }

  uint32(ptr: Ptr, length: number): Uint32Array {
    return new Uint32Array(this.#memory.buffer, ptr, length);
  }

  /** One float64 cell, cleared. */
  float64Cell(): { ptr: Ptr; read: () => number } {
    const ptr = this.allocate(8);
    const cell = new Float64Array(this.#memory.buffer, ptr, 1);
    cell[0] = 0;
    return { ptr, read: () => cell[0]! };
  }

  /** Copies values in and gives their address. */
  putFloat32(values: ArrayLike<number>, offsetBytes = 0): Ptr {
    const ptr = this.allocate(values.length * 4, offsetBytes);
    this.float32(ptr, values.length).set(values);
    return ptr;
  }

  putInt32(values: ArrayLike<number>): Ptr {
    const ptr = this.allocate(values.length * 4);
    this.int32(ptr, values.length).set(values);
    return ptr;
  }
}

/** Reproducible values in [-scale, scale), near-Gaussian in the middle. */
export function randomValues(length: number, scale: number, seed: number): Float32Array {
  let state = seed >>> 0;
  const uniform = () => {
    // mulberry32: good enough for test inputs.
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return Float32Array.from({ length }, () => ((uniform() + uniform() + uniform()) * (2 / 3) - 1) * scale);
}

/** Reproducible class indices in [0, classes). */
export function randomTargets(length: number, classes: number, seed: number): Int32Array {
  return Int32Array.from(randomValues(length, 1, seed), (v) =>
    Math.min(classes - 1, Math.floor((v + 1) * 0.5 * classes)),
  );
}
