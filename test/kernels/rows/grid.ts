// Rows in the workbench between guards, and comparisons that name the first element out of bounds.

import { offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import type { Workbench } from '../workbench.js';

/** Column counts around every unrolling, block and tail boundary of the kernels. */
export const COLUMN_COUNTS: readonly number[] = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 1023, 1024, 1025, 4095,
  4097, 32768, 131072,
];

export const ROW_COUNTS: readonly number[] = [1, 3, 17];

/** The row counts to run for so many columns: few where a row is long. */
export const rowCountsFor = (columns: number): readonly number[] =>
  columns > 30_000 ? ROW_COUNTS.slice(0, 2) : ROW_COUNTS;

/** What lies around and between rows: 1e30, which spoils any result that it enters. */
const GUARD_BITS = 0x7149f2ca;
const GUARD_ELEMENTS = 16;

/** rows × columns float32, rows `stride` apart, guards before, between and after them. */
export class Grid {
  readonly ptr: Ptr;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  readonly #words: Uint32Array;
  readonly #floats: Float32Array;

  /** The first row starts `offsetBytes` past a 16-byte boundary. */
  constructor(bench: Workbench, rows: number, columns: number, stride = columns, offsetBytes = 0) {
    const length = GUARD_ELEMENTS * 2 + rows * stride;
    const ptr = bench.allocate(length * 4, offsetBytes);
    this.ptr = offsetBy(ptr, GUARD_ELEMENTS * 4);
    this.rows = rows;
    this.columns = columns;
    this.stride = stride;
    this.#words = bench.uint32(ptr, length);
    this.#floats = bench.float32(ptr, length);
    this.#words.fill(GUARD_BITS);
  }

  row(i: number): Float32Array {
    const begin = GUARD_ELEMENTS + i * this.stride;
    return this.#floats.subarray(begin, begin + this.columns);
  }

  /** The bits of all rows, one after the other. */
  bits(): Uint32Array {
    const all = new Uint32Array(this.rows * this.columns);
    for (let i = 0; i < this.rows; i++) {
      const begin = GUARD_ELEMENTS + i * this.stride;
      all.set(this.#words.subarray(begin, begin + this.columns), i * this.columns);
    }
    return all;
  }

  /** Takes rows × columns values without gaps. */
  fill(values: Float32Array): this {
    for (let i = 0; i < this.rows; i++) {
      this.row(i).set(values.subarray(i * this.columns, (i + 1) * this.columns));
    }
    return this;
  }

  /** Throws where anything but the rows themselves was written. */
  checkGuards(): void {
    for (let k = 0; k < this.#words.length; k++) {
      const position = k - GUARD_ELEMENTS;
      const inRows = position >= 0 && position < this.rows * this.stride;
      if (inRows && position % this.stride < this.columns) continue;
      if (this.#words[k] !== GUARD_BITS) {
        throw new Error(
          `guard at element ${position} (${this.rows} rows of ${this.columns}, stride ${this.stride}): ` +
            `expected 0x${GUARD_BITS.toString(16)}, got 0x${this.#words[k]!.toString(16)}`,
        );
      }
    }
  }
}

/**
 * Throws at the first element further from its expected value than bound(expected, index). Two NaN agree, and so do
 * values that are the same float32, infinities included.
 */
export function expectWithin(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  bound: (expected: number, index: number) => number,
  what: string,
): void {
  if (got.length !== expected.length)
    throw new Error(`${what}: ${got.length} elements, not ${expected.length}`);
  for (let j = 0; j < got.length; j++) {
    const wanted = expected[j]!;
    if (Object.is(got[j], Math.fround(wanted)) || got[j] === Math.fround(wanted)) continue;
    const limit = bound(wanted, j);
    if (!(Math.abs(got[j]! - wanted) <= limit)) {
      throw new Error(`${what}[${j}]: expected ${wanted} ± ${limit}, got ${got[j]}`);
    }
  }
}

/** Throws at the first word that differs. */
export function expectSameBits(got: Uint32Array, expected: Uint32Array, what: string): void {
  if (got.length !== expected.length) throw new Error(`${what}: ${got.length} words, not ${expected.length}`);
  for (let j = 0; j < got.length; j++) {
    if (got[j] !== expected[j]) {
      throw new Error(
        `${what}[${j}]: expected 0x${expected[j]!.toString(16)}, got 0x${got[j]!.toString(16)}`,
      );
    }
  }
}

/**
 * The error bound of a probability: 6e-7 of it, and where z is far from the row's largest logit the rounding of z - max
 * to float32, |z - max| · 2^-24; probabilities that float32 has no normal number for may be 0.
 */
export function probabilityBound(expected: number, distance: number): number {
  return expected * (6e-7 + (Number.isFinite(distance) ? Math.abs(distance) * 2 ** -24 : 0)) + 2 ** -126;
}
